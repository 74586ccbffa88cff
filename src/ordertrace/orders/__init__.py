"""What becomes of orders: pure judgement of evidence, a reader that fetches it, and a sweeper that keeps looking."""
