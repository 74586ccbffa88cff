-- Facts of spans and log records (not of watched messages) in these traces: (order, or '' where it waits or was withdrawn, event, trace, span, whether
-- it names its order itself, the status that it says, whether one was surely taken from it).
-- traces: their ids
SELECT * FROM
(
    SELECT if(joined_by = 'withdrawn', '', order_id), event_id, trace_id, span_id, joined_by IN ('attribute', 'pattern', 'log') AS named, status,
        kind = 'operation' AND span_kind = 'Internal' AND status = '' AS unsaid
    FROM order_events FINAL
    WHERE order_id IN
        (
            SELECT order_id FROM trace_orders WHERE trace_id IN ({traces:Array(String)})
            UNION DISTINCT
            SELECT order_id FROM order_keys WHERE key IN (SELECT key FROM span_keys WHERE trace_id IN ({traces:Array(String)}))
        )
        AND trace_id IN ({traces:Array(String)}) AND (span_id != '' OR span_kind = 'Internal')
    UNION ALL
    SELECT '', event_id, trace_id, span_id, 0, status, 0 FROM waiting_events FINAL WHERE trace_id IN ({traces:Array(String)})
)
LIMIT 400000
