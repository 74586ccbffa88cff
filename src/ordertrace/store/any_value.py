"""OTLP's AnyValue, as it lies on the wire, as SQL expressions: its text and the name of its kind. Runs nothing.

The engine reads a value as its bytes. The first one tells the kind; texts, bytes and containers follow behind their length.
A container was made JSON when it was admitted, as its only element: three lengths stand before the text.
"""

from __future__ import annotations

DECODED = (
    "multiIf("
    "tag = 10, substring(raw, 3 + wide), "
    "tag = 24, toString(reinterpretAsInt64("
    "arraySum(i -> bitShiftLeft(toUInt64(bitAnd(ascii(substring(raw, 2 + i, 1)), 127)), 7 * i), range(length(raw) - 1)))), "
    "tag = 16, if(endsWith(raw, unhex('01')), 'true', 'false'), "
    "tag = 33, toString(reinterpretAsFloat64(substring(raw, 2))), "
    "tag IN (42, 50), substring(raw, 7 + 3 * wide), "
    "tag = 58, base64Encode(substring(raw, 3 + wide)), "
    "'')"
)
"""The text of the value `raw`, which begins with `tag` and has a length of `wide` bytes."""

WIDE = "(length(raw) > 130) + (length(raw) > 16387) + (length(raw) > 2097156)"
"""By how many bytes the length that stands in the value `raw` is longer than one."""

KINDS = "(0, 16, 24, 33, 42, 50, 58)"
"""First bytes of values that are no texts; an empty value has none at all."""

TYPES = (
    "Enum8(''none'' = 0, ''bool'' = 16, ''int'' = 24, ''double'' = 33, ''array'' = 42, ''map'' = 50, ''bytes'' = 58)"
)
"""The kinds that they tell, as a type's name inside a quoted text."""
