-- Whether any span links to another trace, and whether any message refers to another one.
SELECT (SELECT count() FROM (SELECT 1 FROM trace_links LIMIT 1)), (SELECT count() FROM (SELECT 1 FROM message_ids WHERE role = 'correlation' LIMIT 1))
