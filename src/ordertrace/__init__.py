"""Order-centred tracing on OpenTelemetry. `ordertrace.app` is the place to start reading."""

__version__ = "0.1.0"
