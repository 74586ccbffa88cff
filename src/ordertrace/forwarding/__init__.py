"""Passing on what came in, after the privacy rules, to another OTLP backend."""
