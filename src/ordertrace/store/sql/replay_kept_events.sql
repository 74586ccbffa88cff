-- Keeps facts whose evidence retention has dropped: they cannot be made anew. Their statuses get their places in the flow.
-- spans, logs, messages: when the earliest evidence of each kind came that is there; statuses, ranks: the flow's
-- $shadow: the database
INSERT INTO $shadow.order_events
SELECT * REPLACE (transform(status, {statuses:Array(String)}, {ranks:Array(UInt16)}, toUInt16(0)) AS rank)
FROM
(
    SELECT * FROM order_events FINAL
    WHERE joined_by != 'withdrawn' AND told_at < multiIf(
        event_id = lower(hex(cityHash64(trace_id, span_id, span_kind))), {spans:DateTime64(3)},
        joined_by = 'message' AND span_id = '', {messages:DateTime64(3)},
        {logs:DateTime64(3)})
)
