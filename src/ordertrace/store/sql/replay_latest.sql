-- The latest replays, as `replays` holds them, the newest first.
SELECT id, phase, prints, reasons, until, day, source, place, key, stamp, arrived, done, total, finished_at
FROM replays FINAL
ORDER BY id DESC
LIMIT 5
