-- Keys of orders in spans of traces: (trace, span, key).
-- traces: their ids; limit
SELECT DISTINCT trace_id, span_id, key FROM span_keys
WHERE trace_id IN ({traces:Array(String)}) AND NOT endsWith(key, ':')
LIMIT {limit:UInt32}
