-- Until which moment of insertion the next batch of orders reaches whose paths are to be made again, and how many wait in all.
-- since: moment up to which paths are made; batch: how many orders at once, about
SELECT maxIf(stamp, place <= {batch:UInt32}), count()
FROM
(
    SELECT last_inserted_at AS stamp, row_number() OVER (ORDER BY last_inserted_at) AS place
    FROM orders
    WHERE last_inserted_at > {since:DateTime64(3)}
)
