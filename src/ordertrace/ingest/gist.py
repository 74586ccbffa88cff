"""Two cheap ways to read OTLP requests, by messages that are made of OTLP's own at start. What follows from them others say.

- The **gist** has one message where OTLP repeats them, into which all are read: whether the bytes are a request at all, and what
  occurs in it anywhere, costs two thirds of reading it, and nothing is made for Python. Ids and times of spans stay lists.
- The **outline** is the nesting alone: resources, scopes, spans and log records stay the bytes that they are.

In both, what OTLP calls `resource_spans` or `resource_logs` are `resources`, `scope_spans` or `scope_logs` are `scopes`, and
spans or log records are `records`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_NAMES = {"spans": "records", "log_records": "records"} | {
    f"{part}_{signal}": f"{part}s" for part in ("resource", "scope") for signal in ("spans", "logs")
}
_STAY_BYTES = {"resource", "scope", "records"}
_STAY_LISTS = {("Span", "trace_id"), ("Span", "span_id"), ("Span", "start_time_unix_nano")}


class Readings:
    """The gist and the outline of one kind of request, `records` of which are spans or log records."""

    def __init__(self, request: type[Message], record: type[Span] | type[LogRecord]) -> None:
        self.record = record
        file = cast(FileDescriptor, request.DESCRIPTOR.file)
        gists, outlines = _derive(file, _merge), _derive(file, _keep_bytes)
        self._gist = GetMessageClass(gists.FindMessageTypeByName(request.DESCRIPTOR.full_name))
        self._record_gist = GetMessageClass(gists.FindMessageTypeByName(record.DESCRIPTOR.full_name))
        self._outline = GetMessageClass(outlines.FindMessageTypeByName(request.DESCRIPTOR.full_name))

    def gist(self, request: bytes) -> Any | None:
        """None for what is no request, and for one with ids of spans that are no multiples of eight bytes long.

        Trace ids are two numbers each in it, span ids one.
        """
        return _read(self._gist, request)

    def gist_of_record(self, record: bytes) -> Any | None:
        """The same for a part of an outline."""
        return _read(self._record_gist, record)

    def outline(self, request: bytes) -> Any:
        """Of something that is a request."""
        return self._outline.FromString(request)


def _read(message: type[Message], content: bytes) -> Message | None:
    try:
        return message.FromString(content)
    except DecodeError:
        return None


def _merge(message: str, field: FieldDescriptorProto) -> None:
    field.ClearField("oneof_index")  # each kind of value is seen, not the last one only
    if (message, field.name) in _STAY_LISTS:  # as numbers, for which no objects are made
        field.label, field.type = FieldDescriptorProto.LABEL_REPEATED, FieldDescriptorProto.TYPE_FIXED64
    elif field.type == FieldDescriptorProto.TYPE_MESSAGE:
        field.label = FieldDescriptorProto.LABEL_OPTIONAL


def _keep_bytes(message: str, field: FieldDescriptorProto) -> None:
    if field.name in _STAY_BYTES:
        field.label, field.type = FieldDescriptorProto.LABEL_REPEATED, FieldDescriptorProto.TYPE_BYTES
        field.ClearField("type_name")


def _derive(file: FileDescriptor, change: Callable[[str, FieldDescriptorProto], None]) -> DescriptorPool:
    """A pool of its own with the messages of this file and of those that it needs, each field changed."""
    pool = DescriptorPool()
    for one in dict.fromkeys(_with_needed(file)):
        content = FileDescriptorProto()
        one.CopyToProto(content)
        content.ClearField("service")
        for message in content.message_type:
            _change_fields(message, change)
        pool.Add(content)
    return pool


def _with_needed(file: FileDescriptor) -> Iterator[FileDescriptor]:
    for needed in file.dependencies:
        yield from _with_needed(needed)
    yield file


def _change_fields(message: DescriptorProto, change: Callable[[str, FieldDescriptorProto], None]) -> None:
    for field in message.field:
        field.name = _NAMES.get(field.name, field.name)
        change(message.name, field)
    if not any(field.HasField("oneof_index") for field in message.field):
        message.ClearField("oneof_decl")
    for nested in message.nested_type:
        _change_fields(nested, change)
