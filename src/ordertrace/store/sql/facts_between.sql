-- How many steps of messages, and how many facts about orders, there are in a period.
-- since, until: times
SELECT
    (SELECT count() FROM message_events WHERE at >= {since:DateTime64(6)} AND at < {until:DateTime64(6)}) AS steps,
    (SELECT count() FROM order_events WHERE span_kind = 'Client' AND at >= {since:DateTime64(6)} AND at < {until:DateTime64(6)}) AS calls
