-- In which five minutes the spans of some traces lie: (start, trace).
-- traces: their ids
SELECT DISTINCT toDateTime64(toStartOfFiveMinutes(Timestamp), 9), TraceId FROM otel_traces WHERE TraceId IN ({traces:Array(String)})
