"""Zipkin's protobuf, as far as it is read: the message types, made from a table, since no package carries them."""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

KINDS = {1: "CLIENT", 2: "SERVER", 3: "PRODUCER", 4: "CONSUMER"}

_PACKAGE = "zipkin.proto3"
_Field = descriptor_pb2.FieldDescriptorProto
_BYTES, _STRING, _BOOL = _Field.TYPE_BYTES, _Field.TYPE_STRING, _Field.TYPE_BOOL
_INT32, _UINT64, _FIXED64 = _Field.TYPE_INT32, _Field.TYPE_UINT64, _Field.TYPE_FIXED64
# Number, name and type of each field; a name of ours stands for a message, with * behind it for a list of them.
_MESSAGES: dict[str, tuple[tuple[int, str, int | str], ...]] = {
    "Endpoint": ((1, "service_name", _STRING), (2, "ipv4", _BYTES), (3, "ipv6", _BYTES), (4, "port", _INT32)),
    "Annotation": ((1, "timestamp", _FIXED64), (2, "value", _STRING)),
    "Span": (
        (1, "trace_id", _BYTES),
        (2, "parent_id", _BYTES),
        (3, "id", _BYTES),
        (4, "kind", _INT32),
        (5, "name", _STRING),
        (6, "timestamp", _FIXED64),
        (7, "duration", _UINT64),
        (8, "local_endpoint", "Endpoint"),
        (9, "remote_endpoint", "Endpoint"),
        (10, "annotations", "Annotation*"),
        (11, "tags", "Span.TagsEntry*"),
        (12, "debug", _BOOL),
        (13, "shared", _BOOL),
    ),
    "ListOfSpans": ((1, "spans", "Span*"),),
}


def _build() -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto(name="ordertrace/zipkin.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            _add(message, number, field, kind)
        if name == "Span":
            entry = message.nested_type.add(name="TagsEntry")
            entry.options.map_entry = True
            _add(entry, 1, "key", _STRING)
            _add(entry, 2, "value", _STRING)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.ListOfSpans"))


def _add(message: descriptor_pb2.DescriptorProto, number: int, name: str, kind: int | str) -> None:
    field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if isinstance(kind, int):
        field.type = kind  # type: ignore[assignment]
        return
    field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind.removesuffix('*')}"
    if kind.endswith("*"):
        field.label = _Field.LABEL_REPEATED


ListOfSpans = _build()
