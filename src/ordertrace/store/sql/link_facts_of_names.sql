-- Facts that traces gave to orders, and not their own words: (order, event). What a watched message tells stands beside.
-- traces, orders: of each name
SELECT order_id, event_id FROM order_events FINAL
WHERE order_id IN ({orders:Array(String)}) AND trace_id IN ({traces:Array(String)})
    AND (trace_id, order_id) IN (SELECT arrayJoin(arrayZip({traces:Array(String)}, {orders:Array(String)})))
    AND joined_by NOT IN ('attribute', 'pattern', 'log', 'withdrawn') AND (span_id != '' OR span_kind = 'Internal')
