-- Remembers which orders the traces of just inserted groups name.
-- groups: the groups' times of insertion
INSERT INTO trace_orders (trace_id, order_id, joined_by, inserted_at)
SELECT TraceId, OrderId, min(OrderIdBy), max(inserted_at)
FROM otel_traces
WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND OrderId != ''
GROUP BY TraceId, OrderId
SETTINGS max_threads = 1
