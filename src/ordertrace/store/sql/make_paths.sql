-- Makes the paths of orders about which something came in. The system that brings a status about has the word: each trace,
-- or message, in which it says so is one time that the status was reached: when it logs or publishes that, else when its
-- span begins. Where it says nothing itself (a closed system
-- that no broker watch sees), what others tell counts once, at its earliest: two who tell may speak of the same.
-- since, until: moments of insertion, the first excluded; statuses, owners, ranks: the flow's statuses, who brings them
-- about, their places; skewed, skews: systems whose clocks are off, by how many ns; basis; stamp: time of insertion
INSERT INTO order_paths (order_id, statuses, times, basis, made_until, inserted_at)
WITH
    chosen AS
    (
        SELECT DISTINCT order_id FROM orders
        WHERE last_inserted_at > {since:DateTime64(3)} AND last_inserted_at <= {until:DateTime64(3)}
    ),
    told AS
    (
        SELECT
            order_id,
            CAST(status, 'String') AS reached,
            system = transform(status, {statuses:Array(String)}, {owners:Array(String)}, '') AS own,
            duration_ns > 0 AND span_kind != 'Producer' AS lasting,
            cityHash64(if(trace_id = '', event_id, trace_id)) AS occasion,
            toUnixTimestamp64Nano(at) - if(joined_by = 'message' AND span_id = '', 0, transform(system, {skewed:Array(String)}, {skews:Array(Int64)}, toInt64(0))) AS at_ns
        FROM order_events FINAL
        WHERE status != '' AND joined_by != 'withdrawn' AND order_id IN (SELECT order_id FROM chosen)
    ),
    said AS
    (
        SELECT
            order_id,
            reached,
            transform(reached, {statuses:Array(String)}, {ranks:Array(UInt16)}, toUInt16(0)) AS place,
            groupArrayIf(1000)((occasion, lasting, at_ns), own) AS owned,
            arrayDistinct(arrayMap(one -> one.1, owned)) AS occasions,
            if(
                empty(owned),
                [min(at_ns)],
                arrayMap(which -> arrayMin(arrayMap(one -> (one.2, one.3), arrayFilter(one -> one.1 = which, owned))).2, occasions)) AS moments
        FROM told
        GROUP BY order_id, reached
    ),
    ways AS
    (
        SELECT order_id, arraySort(groupArrayArray(200)(arrayMap(moment -> (moment, place, reached), moments))) AS steps
        FROM said
        GROUP BY order_id
    )
SELECT
    chosen.order_id,
    arrayMap(step -> step.3, ways.steps),
    arrayMap(step -> step.1, ways.steps),
    {basis:UInt64},
    {until:DateTime64(3)},
    {stamp:DateTime64(6)}
FROM chosen LEFT JOIN ways ON ways.order_id = chosen.order_id
SETTINGS max_threads = 2
