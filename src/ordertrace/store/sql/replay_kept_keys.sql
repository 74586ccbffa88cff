-- Keeps what is known of keys of orders from evidence that retention has dropped.
-- since: when the earliest evidence came that is there
-- $shadow: the database
INSERT INTO $shadow.order_keys
SELECT * FROM order_keys FINAL WHERE holds AND inserted_at < {since:DateTime64(3)}
