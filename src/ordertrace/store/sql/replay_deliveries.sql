-- How many deliveries are known by channel, and when the first of them was.
SELECT count(), min(at) FROM channel_deliveries
