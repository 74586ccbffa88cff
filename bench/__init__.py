"""Benchmarks of the whole server, run with `python -m bench`.

Figures of different machines say nothing; ratios within one run do."""
