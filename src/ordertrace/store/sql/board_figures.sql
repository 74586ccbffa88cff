-- with: order_states
-- Key figures and their course: by hour (0 = the current one) orders started, ended, ended in time, and found stuck.
-- beside the parameters of order_states: hours, how far back
SELECT
    hour,
    countIf(kind = 'started') AS started,
    countIf(kind = 'closed') AS closed,
    countIf(kind = 'closed' AND in_time) AS closed_in_time,
    countIf(kind = 'trouble') AS trouble
FROM
(
    SELECT
        arrayJoin([('started', started_ns), ('closed', if(state = 'closed', since_ns, 0)), ('trouble', if(state IN ('stuck', 'failed'), seen_ns, 0))]) AS moment,
        moment.1 AS kind,
        toInt32(intDiv({now:Int64} - moment.2, 3600000000000)) AS hour,
        since_ns - started_ns <= {flow_deadline:Int64} AS in_time
    FROM order_states
    WHERE moment.2 > 0
)
WHERE hour >= 0 AND hour < {hours:UInt16}
GROUP BY hour
ORDER BY hour
