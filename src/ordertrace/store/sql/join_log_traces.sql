-- Remembers which orders the traces of just inserted log records name; one row a trace and order, however many records name it.
-- groups: the groups' times of insertion
INSERT INTO trace_orders (trace_id, order_id, joined_by, inserted_at)
SELECT TraceId, OrderId, 'log', max(inserted_at)
FROM otel_logs
WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND OrderId != '' AND TraceId != ''
    AND (TraceId, OrderId) NOT IN
    (
        SELECT trace_id, order_id
        FROM trace_orders
        WHERE trace_id IN (SELECT TraceId FROM otel_logs WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND OrderId != '')
            AND joined_by = 'log'
            AND inserted_at NOT IN ({groups:Array(DateTime64(3))})
    )
GROUP BY TraceId, OrderId
SETTINGS max_threads = 1
