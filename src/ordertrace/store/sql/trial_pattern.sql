-- Whether the engine understands a pattern: it refuses the statement otherwise.
-- pattern
SELECT match('', {pattern:String})
