-- Names spans that link to a trace of one order, and spans that are linked from one; only in traces that nothing names
-- otherwise, and only where one of the two is new.
-- groups: times of insertion of groups of spans and log records, and of earlier names; stamp: of links and names
INSERT INTO span_orders (trace_id, span_id, order_id, joined_by, inserted_at)
WITH
    touched AS (SELECT trace_id FROM trace_orders WHERE inserted_at IN ({groups:Array(DateTime64(3))})),
    edges AS
    (
        SELECT trace_id, span_id, linked_trace_id, linked_span_id FROM trace_links
        WHERE inserted_at IN ({groups:Array(DateTime64(3))}) OR trace_id IN (SELECT trace_id FROM touched)
            OR linked_trace_id IN (SELECT trace_id FROM touched)
    ),
    ways AS
    (
        SELECT trace_id AS target, span_id AS target_span, linked_trace_id AS origin FROM edges
        UNION DISTINCT
        SELECT linked_trace_id, linked_span_id, trace_id FROM edges
    ),
    known AS
    (
        SELECT trace_id, min(trace_orders.order_id) AS order_id
        FROM trace_orders
        WHERE trace_id IN (SELECT origin FROM ways)
        GROUP BY trace_id
        HAVING min(trace_orders.order_id) = max(trace_orders.order_id)
    )
SELECT DISTINCT ways.target, ways.target_span, known.order_id, 'link', {stamp:DateTime64(3)}
FROM ways INNER JOIN known ON known.trace_id = ways.origin
WHERE ways.target NOT IN
(
    SELECT trace_id FROM trace_orders WHERE trace_id IN (SELECT target FROM ways) AND joined_by != 'link'
)
