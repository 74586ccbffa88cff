-- Facts in these traces that were given to an order for another reason than that they name it, or that wait ('').
-- traces: their ids
SELECT order_id, event_id, trace_id, span_id
FROM order_events FINAL
WHERE order_id IN (SELECT order_id FROM trace_orders WHERE trace_id IN ({traces:Array(String)}))
    AND trace_id IN ({traces:Array(String)}) AND span_id != '' AND joined_by NOT IN ('attribute', 'pattern', 'log', 'withdrawn')
UNION ALL
SELECT '', event_id, trace_id, span_id FROM waiting_events FINAL WHERE trace_id IN ({traces:Array(String)})
