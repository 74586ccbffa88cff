-- What spans of traces are named for by links and ids: (trace, span, order, how).
-- traces: their ids
SELECT DISTINCT trace_id, span_id, order_id, joined_by FROM span_orders
WHERE trace_id IN ({traces:Array(String)}) AND joined_by IN ('link', 'correlation')
