-- When the first span that is still kept arrived. No parameters.
SELECT min(inserted_at) FROM otel_traces HAVING count() > 0
