-- What each rule of [[broker.message]] found in a message, by the rule's text, so that changed rules hold for messages of before:
-- headers, properties and bodies themselves are not kept. Besides: 'peer', whom the broker named at the other end; 'exchange' and
-- 'routing_keys' (one a line) to which rules were applied, where these are not the row's own. Empty in rows from before it was kept.
ALTER TABLE message_events ADD COLUMN found Map(LowCardinality(String), String) CODEC(ZSTD(1));

ALTER TABLE channel_deliveries
    ADD COLUMN exchange LowCardinality(String) CODEC(ZSTD(1)),
    ADD COLUMN found Map(LowCardinality(String), String) CODEC(ZSTD(1));
