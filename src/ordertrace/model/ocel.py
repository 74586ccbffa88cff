"""An object-centric event log (OCEL 2.0, ocel-standard.org): the parts that its JSON and SQLite forms share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

Value = str | float


@dataclass(frozen=True, slots=True)
class AttributeType:
    """A named attribute; `type` is string, float or time."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Type:
    """A type of objects or of events with its attributes."""

    name: str
    attributes: tuple[AttributeType, ...]


@dataclass(frozen=True, slots=True)
class Relationship:
    """To an object, and what it has to do with it."""

    object_id: str
    qualifier: str


@dataclass(frozen=True, slots=True)
class ObjectAttribute:
    """A value that an object has from `time` on."""

    name: str
    time: datetime
    value: Value


@dataclass(frozen=True, slots=True)
class EventAttribute:
    """A value of an event."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Object:
    """An order, message, trace, system or queue."""

    id: str
    type: str
    attributes: tuple[ObjectAttribute, ...] = ()
    relationships: tuple[Relationship, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, and to which objects."""

    id: str
    type: str
    time: datetime
    attributes: tuple[EventAttribute, ...]
    relationships: tuple[Relationship, ...]


@dataclass(frozen=True, slots=True)
class EventLog:
    """A whole log, or one page of it: pages name the same types, and may name the same systems, queues and traces."""

    object_types: tuple[Type, ...]
    event_types: tuple[Type, ...]
    objects: tuple[Object, ...]
    events: tuple[Event, ...]
