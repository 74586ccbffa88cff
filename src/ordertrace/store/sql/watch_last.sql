-- Until when a broker was surely watched before our own restart: its last queue sample or message. broker
SELECT toUnixTimestamp64Micro(max(seen))
FROM
(
    SELECT max(at) AS seen FROM queue_samples WHERE broker = {broker:String}
    UNION ALL
    SELECT max(inserted_at) AS seen FROM message_events WHERE broker = {broker:String}
)
