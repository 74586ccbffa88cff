-- Whose keys these traces were held to show: (source, key, order).
-- sources: traces, or 'presence'
SELECT source, key, order_id FROM order_keys FINAL WHERE source IN ({sources:Array(String)}) AND holds
