-- Up to which moment of insertion paths were made with this flow and these clock corrections; 1970 where none were.
-- basis: which
SELECT max(made_until) FROM order_paths WHERE basis = {basis:UInt64}
