"""OTLP's AnyValue, as it lies on the wire, as SQL expressions: its text and the name of its kind. Runs nothing.

The engine reads a value as its bytes. The first one tells the kind; texts, bytes and containers follow behind their length.
A container was made JSON when it was admitted, as its only element: three lengths stand before the text.
"""

from __future__ import annotations

_LENGTH_BYTES = "((length(raw) > 130) + (length(raw) > 16387) + (length(raw) > 2097156))"

DECODED = (
    "multiIf("
    f"ascii(raw) = 10, substring(raw, 3 + {_LENGTH_BYTES}), "
    "ascii(raw) = 24, toString(reinterpretAsInt64("
    "arraySum(i -> bitShiftLeft(toUInt64(bitAnd(ascii(substring(raw, 2 + i, 1)), 127)), 7 * i), range(length(raw) - 1)))), "
    "ascii(raw) = 16, if(endsWith(raw, unhex('01')), 'true', 'false'), "
    "ascii(raw) = 33, toString(reinterpretAsFloat64(substring(raw, 2))), "
    f"ascii(raw) IN (42, 50), substring(raw, 7 + 3 * {_LENGTH_BYTES}), "
    f"ascii(raw) = 58, base64Encode(substring(raw, 3 + {_LENGTH_BYTES})), "
    "'')"
)
"""The text of the value `raw`."""

TYPES = "[16, 24, 33, 42, 50, 58], ['bool', 'int', 'double', 'array', 'map', 'bytes']"
"""First bytes and the kinds they tell, for `transform`; texts and empty values have none."""
