-- How many spans of just inserted groups link to something.
-- groups: times of insertion of groups of spans
SELECT count() FROM otel_traces WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND notEmpty(Links.TraceId)
