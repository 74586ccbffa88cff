"""How OTLP requests write an order, so that those that speak of it are found without taking any apart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..model.order import OrderEvent

_INT_VALUE = b"\x18"  # field 3 of an attribute's value
_INT_MAX = 2**63 - 1
_TRACE_ID_DIGITS = 32


def words_of(order_id: str, events: Iterable[OrderEvent]) -> Iterator[bytes]:
    """The order's id as text, as a number where it is one, and the ids of the traces of its events."""
    yield order_id.encode()
    if order_id.isascii() and order_id.isdigit() and int(order_id) <= _INT_MAX:
        yield _INT_VALUE + _varint(int(order_id))
    for trace_id in {event.trace_id for event in events if len(event.trace_id) == _TRACE_ID_DIGITS}:
        yield bytes.fromhex(trace_id)


def _varint(number: int) -> bytes:
    """As protobuf writes it: seven bits a byte, the lowest first."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F)
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])
