"""Kinds of payload. Requests of one kind are journaled and written together."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a request holds; the name is part of its segment's name, so that it is known after a crash."""

    SPANS = "spans"  # an OTLP ExportTraceServiceRequest
    LOGS = "logs"  # an OTLP ExportLogsServiceRequest
    ZIPKIN = "zipkin"  # a list of Zipkin v2 spans in JSON
