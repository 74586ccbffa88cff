-- Remembers links of just inserted groups to other traces, in both directions.
-- groups: times of insertion of groups of spans; stamp: of these rows
INSERT INTO trace_links (trace_id, linked_trace_id, span_id, linked_span_id, inserted_at)
SELECT way.1, way.2, way.3, way.4, {stamp:DateTime64(3)}
FROM
(
    SELECT arrayJoin([(TraceId, link.1, SpanId, link.2), (link.1, TraceId, link.2, SpanId)]) AS way
    FROM otel_traces
    ARRAY JOIN arrayZip(Links.TraceId, Links.SpanId) AS link
    WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND notEmpty(Links.TraceId) AND link.1 != TraceId
)
