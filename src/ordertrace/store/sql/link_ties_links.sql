-- Links of traces, in both directions: (trace, span, linked trace, linked span).
-- traces: their ids; limit
SELECT DISTINCT trace_id, span_id, linked_trace_id, linked_span_id FROM trace_links
WHERE trace_id IN ({traces:Array(String)})
LIMIT {limit:UInt32}
