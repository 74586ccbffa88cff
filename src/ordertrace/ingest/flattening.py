"""Arrays and maps inside values become JSON, since the engine reads values as flat bytes. What a dropped key names is left out.

Only what holds any is taken apart and written anew; all else passes as it came.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from ..privacy.rules import drop_pattern
from ..settings.sections import PrivacySettings
from .gist import Readings


class Flattening:
    """Makes a container one that holds nothing but its JSON: its kind stays visible, its text lies open to the rules."""

    def __init__(self, settings: PrivacySettings, readings: Readings) -> None:
        self._dropped = re.compile(drop_pattern(settings)) if settings.drop_keys else None
        self._kept = frozenset(key.lower() for key in settings.keep_keys)
        self._readings = readings
        self._record_holds = _log_record_holds if readings.record is LogRecord else _span_holds

    def flat(self, request: bytes, gist: Any, outline: Any) -> bytes:
        """The request, of which its gist says what is in it (None: who knows), and the outline, which is used up, where."""
        if gist is not None and not self.finds_any(gist):
            return request
        for resources in outline.resources:
            resources.resource[:] = [self._flat_part(Resource, part) for part in resources.resource]
            for scopes in resources.scopes:
                scopes.scope[:] = [self._flat_part(InstrumentationScope, part) for part in scopes.scope]
                if gist is None or self._record_holds(gist.resources.scopes.records):
                    scopes.records[:] = [self._flat_record(part) for part in scopes.records]
        flat: bytes = outline.SerializeToString()
        return flat

    def finds_any(self, gist: Any) -> bool:
        """Whether some value of the request is an array or a map."""
        resources, scopes = gist.resources, gist.resources.scopes
        return _holds(resources.resource) or _holds(scopes.scope) or self._record_holds(scopes.records)

    def _flat_part(self, kind: type[Resource] | type[InstrumentationScope], part: bytes) -> bytes:
        read = kind.FromString(part)
        self._flatten(read.attributes)
        return read.SerializeToString()

    def _flat_record(self, part: bytes) -> bytes:
        gist = self._readings.gist_of_record(part)
        if gist is not None and not self._record_holds(gist):
            return part
        record = self._readings.record.FromString(part)
        for owner in (record, *getattr(record, "events", ()), *getattr(record, "links", ())):
            self._flatten(owner.attributes)
        if isinstance(record, LogRecord):
            self._flatten_value(record.body)
        return record.SerializeToString()

    def _flatten(self, attributes: Iterable[KeyValue]) -> None:
        for attribute in attributes:
            self._flatten_value(attribute.value)

    def _flatten_value(self, value: AnyValue) -> None:
        kind = value.WhichOneof("value")
        if kind == "array_value":
            text = _to_json(self._plain(value))
            value.array_value.ClearField("values")
            value.array_value.values.add(string_value=text)
        elif kind == "kvlist_value":
            text = _to_json(self._plain(value))
            value.kvlist_value.ClearField("values")
            value.kvlist_value.values.add(key=text)

    def _plain(self, value: AnyValue) -> Any:
        kind = value.WhichOneof("value")
        if kind == "array_value":
            return [self._plain(one) for one in value.array_value.values]
        if kind == "kvlist_value":
            return {one.key: self._plain(one.value) for one in value.kvlist_value.values if not self._drops(one.key)}
        if kind == "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        return getattr(value, kind) if kind else None

    def _drops(self, key: str) -> bool:
        return bool(self._dropped and self._dropped.match(key)) and key.lower() not in self._kept


def _span_holds(gist: Any) -> bool:
    return (
        _holds(gist)
        or (gist.HasField("events") and _holds(gist.events))
        or (gist.HasField("links") and _holds(gist.links))
    )


def _log_record_holds(gist: Any) -> bool:
    return _holds(gist) or (gist.HasField("body") and _is_container(gist.body))


def _holds(owner: Any) -> bool:
    """Whether one of its attributes is a container."""
    found: bool = owner.HasField("attributes") and _is_container(owner.attributes.value)
    return found


def _is_container(value: Any) -> bool:
    found: bool = value.HasField("array_value") or value.HasField("kvlist_value")
    return found


def _to_json(value: Any) -> str:
    """JSON whose length in bytes keeps clear of where a length's own size changes, so that the store can count it off."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode("utf-8", "replace"))
    padding = next((bound - size for bound in (1 << 7, 1 << 14, 1 << 21) if bound - 16 < size < bound), 0)
    return text + " " * padding
