-- A system's consumer spans in a span of time: (thread, seconds, trace, span, words, order as far as something else than a
-- sequence names it, orders that a sequence has named it for), earliest first.
-- system, start, until; limit
SELECT thread, toUnixTimestamp64Nano(at) / 1000000000, trace_id, span_id, words, if(order_id != '', order_id, known.order), known.sequenced
FROM
(
    SELECT thread, at, trace_id, span_id, words, order_id
    FROM consumer_spans FINAL
    WHERE system = {system:String} AND at BETWEEN {start:DateTime64(6)} AND {until:DateTime64(6)}
    ORDER BY at, span_id
    LIMIT {limit:UInt32}
) AS span
LEFT JOIN
(
    SELECT
        trace_id,
        if(minIf(order_id, joined_by NOT IN ('sequence', 'time')) = maxIf(order_id, joined_by NOT IN ('sequence', 'time')), minIf(order_id, joined_by NOT IN ('sequence', 'time')), '') AS order,
        groupUniqArrayIf(order_id, joined_by = 'sequence') AS sequenced
    FROM trace_orders
    WHERE trace_id IN (SELECT trace_id FROM consumer_spans WHERE system = {system:String} AND at BETWEEN {start:DateTime64(6)} AND {until:DateTime64(6)})
    GROUP BY trace_id
) AS known ON known.trace_id = span.trace_id
