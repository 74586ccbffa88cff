"""Our own log: lines for people on a console, ECS fields in JSON for ELK. Not for the telemetry that we receive.

A log line never carries a payload or a secret: bytes are named by their length, long texts are cut, fields with the name
of a secret are masked, and of an exception that is not our own only type and place are written, since its message may
quote what it was working on.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

from . import __version__

_TEXT_LENGTH_MAX = 500
_SECRET_NAME = re.compile(r"secret|password|passwd|token|authorization|cookie|api_?key|private_?key", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_QUIET = {
    "asyncio": logging.ERROR,
    "uvicorn.access": logging.CRITICAL,
    "uvicorn.error": logging.WARNING,
    "clickhouse_connect": logging.WARNING,
    "grpc": logging.WARNING,
    "httpx2": logging.WARNING,
    "httpcore2": logging.WARNING,
    "aio_pika": logging.WARNING,
    "aiormq": logging.CRITICAL,
}
_ECS_OF_LEVEL = {"warn": "warning", "exception": "error"}

Fields = MutableMapping[str, Any]


def set_up_logging(
    line_format: Literal["console", "json"],
    level: Literal["debug", "info", "warning", "error"],
    stream: TextIO = sys.stderr,
) -> None:
    """Sends structlog's and the standard library's records to `stream` in one format; may be called again."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_error,
        mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    ending: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if line_format == "json":
        ending += [to_ecs, structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=True)]
    else:
        ending += [stack_below, structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)]
    sink = logging.StreamHandler(stream)
    sink.setFormatter(structlog.stdlib.ProcessorFormatter(processors=ending, foreign_pre_chain=shared))
    logging.root.handlers[:] = [sink]
    logging.root.setLevel(level.upper())
    for name, threshold in _QUIET.items():
        logging.getLogger(name).setLevel(max(threshold, logging.root.level))


def describe_error(_logger: object, _method: str, fields: Fields) -> Fields:
    """Replaces an exception by `error_type`, `error_message` (ours alone) and `error_stack` (files and functions)."""
    told = fields.pop("exc_info", None)
    error = (
        told[1]
        if isinstance(told, tuple)
        else told
        if isinstance(told, BaseException)
        else sys.exc_info()[1]
        if told
        else None
    )
    if error is None:
        return fields
    fields["error_type"] = type(error).__name__
    if message := _public_message(error):
        fields["error_message"] = message
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    fields["error_stack"] = "\n".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return fields


def mask(_logger: object, _method: str, fields: Fields) -> Fields:
    """Hides secrets and payloads, whatever a caller passed."""
    for name, value in fields.items():
        if not name.startswith("_"):
            fields[name] = "…" if _SECRET_NAME.search(name) else _harmless(value, name)
    return fields


def stack_below(_logger: object, _method: str, fields: Fields) -> Fields:
    """For people: the stack as lines below the record, where the renderer puts what is named `exception`."""
    if stack := fields.pop("error_stack", ""):
        fields["exception"] = "\n".join(f"  {line}" for line in str(stack).splitlines())
    return fields


def to_ecs(_logger: object, _method: str, fields: Fields) -> Fields:
    """The fields of the Elastic Common Schema; what has no field there goes below `labels`, as ECS asks."""
    level = str(fields.pop("level", "info"))
    ecs: dict[str, Any] = {
        "@timestamp": fields.pop("timestamp", None),
        "ecs.version": "8.11.0",
        "log.level": _ECS_OF_LEVEL.get(level, level),
        "message": fields.pop("event", ""),
        "process.pid": os.getpid(),
        "service.name": "ordertrace",
        "service.version": __version__,
    }
    for ours, theirs in (
        ("logger", "log.logger"),
        ("error_type", "error.type"),
        ("error_message", "error.message"),
        ("error_stack", "error.stack_trace"),
        ("trace_id", "trace.id"),
        ("span_id", "span.id"),
    ):
        if value := fields.pop(ours, None):
            ecs[theirs] = value
    if fields:
        ecs["labels"] = {
            name: value if isinstance(value, bool | int | float) else str(value) for name, value in fields.items()
        }
    return ecs


def _harmless(value: object, name: str) -> object:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, bool | int | float) or value is None:
        return value
    text = _CREDENTIALS.sub("…@", str(value))
    limit = 8 * _TEXT_LENGTH_MAX if name == "error_stack" else _TEXT_LENGTH_MAX
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _public_message(error: BaseException) -> str:
    if any(kind.__module__ == "ordertrace.errors" for kind in type(error).__mro__):
        return str(error)
    return error.strerror or "" if isinstance(error, OSError) else ""
