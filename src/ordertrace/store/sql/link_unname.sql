-- Takes names back from spans.
-- traces, spans, orders, ways: of each name
DELETE FROM span_orders
WHERE trace_id IN ({traces:Array(String)}) AND (trace_id, span_id, order_id, joined_by) IN
    (SELECT arrayJoin(arrayZip({traces:Array(String)}, {spans:Array(String)}, {orders:Array(String)}, {ways:Array(String)})))
