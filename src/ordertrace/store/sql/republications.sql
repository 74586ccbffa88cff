-- What was sent again, one row an attempt, earliest first: who, what, when, how it ended ('claimed' while that is open).
-- broker: '' for all; key: '' for all; open: only those of which the end is not known
SELECT
    attempt, any(republications.broker) AS of_broker, any(republications.key) AS of_key, any(queue), any(order_id), any(verdict),
    any(exchange), any(routing_key), max(republications.by), min(republications.at) AS began_at,
    max(republications.at) AS ended_at,
    argMax(step, (step NOT IN ('claimed', 'seen'), step = 'seen', republications.at)) AS result,
    argMax(reason, (step NOT IN ('claimed', 'seen'), step = 'seen', republications.at))
FROM republications
WHERE ({broker:String} = '' OR broker = {broker:String}) AND ({key:String} = '' OR key = {key:String})
GROUP BY attempt
HAVING NOT {open:Bool} OR result IN ('claimed', 'seen')
ORDER BY began_at
LIMIT 1000
