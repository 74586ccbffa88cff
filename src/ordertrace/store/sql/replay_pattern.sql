-- Whether the engine reads a pattern: it refuses those that are not RE2.
-- pattern
SELECT match('', {pattern:String})
