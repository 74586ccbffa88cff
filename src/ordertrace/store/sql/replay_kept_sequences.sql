-- Keeps what sequences of deliveries have named: they are kept for a short time only, and do not depend on the rules that are
-- replayed. Where anything else names the span it does not count.
-- $shadow: the database
INSERT INTO $shadow.span_orders
SELECT * FROM span_orders FINAL WHERE joined_by = 'sequence'
