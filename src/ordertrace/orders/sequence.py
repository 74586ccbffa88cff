"""Which message a consumer span processed, when nothing carries an id: channels and listener threads go in step. Pure.

A channel hands its deliveries to one thread, one after another. So the routing keys that a channel delivered, in order,
are those of the spans of one thread. Both sequences have gaps (lost telemetry, a blind watch); only what stands in a
block of equal keys that is long enough and fits in time is joined, and what a gap beside it could have moved is not.
Where all deliveries of a time are known, only spans can be missing: then a span also belongs to the one delivery that it can
have processed, whichever of the others were lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from types import MappingProxyType

BLOCK_MIN = 8
EARLY_SECONDS = 2.0  # how much earlier than its delivery a span may seem to begin: clocks, and a watch that reads late
WAIT_SECONDS = 120.0  # how long a delivery may wait in a client's buffer
NOWHERE: Mapping[str, tuple[float, float]] = MappingProxyType({})
_TRIM_MAX = 8
_EARLY_MARGIN = 0.25  # beyond how much earlier than their deliveries spans are known to seem to begin
_MARGIN = 1.3  # how much longer than the next best a thread's best channel must fit


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that a channel delivered; `at` in seconds since 1970, `order_id` '' where it names none."""

    at: float
    key: str
    routing_key: str
    queue: str
    order_id: str


@dataclass(frozen=True, slots=True)
class Consumption:
    """A consumer span; `words` are the parts of its destination, among them a routing key; `order_id` '' if not known."""

    at: float
    trace_id: str
    span_id: str
    words: tuple[str, ...]
    order_id: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A span and the delivery that it processed."""

    consumption: Consumption
    delivery: Delivery


def align(
    channels: Mapping[str, Sequence[Delivery]],
    threads: Mapping[str, Sequence[Consumption]],
    complete: Mapping[str, tuple[float, float]] = NOWHERE,
) -> list[Match]:
    """What surely belongs together; channels and threads of one system, each in any order.

    `complete` says of channels from when to when all that was delivered on them is known, in seconds since 1970.
    """
    delivered = {name: sorted(course, key=lambda one: (one.at, one.key)) for name, course in channels.items()}
    known = {one.routing_key for course in delivered.values() for one in course}
    consumed = {
        name: sorted((one for one in course if known & set(one.words)), key=lambda one: (one.at, one.span_id))
        for name, course in threads.items()
    }
    fits = [
        (sum(map(len, blocks)), str(thread), str(channel), thread, channel, blocks)
        for thread, spans in consumed.items()
        for channel, deliveries in delivered.items()
        if (blocks := list(_blocks(deliveries, spans, known)))
    ]
    fits.sort(key=lambda fit: (-fit[0], fit[1], fit[2]))
    matches: list[Match] = []
    taken: set[tuple[str, str]] = set()
    for length, _, _, thread, channel, blocks in fits:
        if ("thread", thread) in taken or ("channel", channel) in taken:
            continue
        rivals = [
            fit[0]
            for fit in fits
            if (fit[3] == thread) != (fit[4] == channel)
            and ("thread", fit[3]) not in taken
            and ("channel", fit[4]) not in taken
        ]
        taken |= {("thread", thread), ("channel", channel)}
        if length >= _MARGIN * max(rivals, default=0):
            known_span = complete.get(channel)
            found = [match for block in blocks for match in block]
            matches += _only_ways(delivered[channel], consumed[thread], found, known_span) if known_span else found
    return matches


def complete_spans(
    channels: Mapping[str, Sequence[Delivery]], start: float, blind: Collection[str]
) -> dict[str, tuple[float, float]]:
    """From when to when all is known that was delivered on each channel of what is known since `start`.

    A broker tells in order: what it delivered before the newest that is known is known. Of one whose watch was `blind` in
    between nothing can be said. Channels are named `BROKER CHANNEL`.
    """
    newest: dict[str, float] = {}
    for channel, course in channels.items():
        broker = channel.partition(" ")[0]
        newest[broker] = max(newest.get(broker, start), *(delivery.at for delivery in course))
    return {
        channel: (start, newest[broker]) for channel in channels if (broker := channel.partition(" ")[0]) not in blind
    }


def _blocks(deliveries: Sequence[Delivery], spans: Sequence[Consumption], known: set[str]) -> Iterator[list[Match]]:
    """Blocks of the two sequences that go in step and contradict nothing that is known."""
    sent = [one.routing_key for one in deliveries]
    got = [next(word for word in one.words if word in known) for one in spans]
    sent_until = got_until = 0
    found = [b for b in SequenceMatcher(None, sent, got, autojunk=False).get_matching_blocks() if b.size]
    for i, (a, b, size) in enumerate(found):
        following = found[i + 1] if i + 1 < len(found) else None
        before = {*sent[sent_until:a], *got[got_until:b]}
        after = {
            *sent[a + size : following.a if following else len(sent)],
            *got[b + size : following.b if following else len(got)],
        }
        sent_until, got_until = a + size, b + size
        head = _loose(sent[a : a + size], before)
        tail = _loose(sent[a : a + size][::-1], after)
        pairs = list(zip(spans[b + head : b + size - tail], deliveries[a + head : a + size - tail], strict=True))
        whole = size == len(sent) == len(got)
        for run in _runs(pairs):
            if len(run) >= BLOCK_MIN or (whole and len(run) == size and _is_confirmed(run)):
                yield run


def _only_ways(
    deliveries: Sequence[Delivery], spans: Sequence[Consumption], found: Sequence[Match], known: tuple[float, float]
) -> list[Match]:
    """What was found in blocks, as far as it is possible, and each span that only one delivery can have led to.

    Every span has its delivery, and they come in the same order: so the earliest delivery that leaves one to each span before,
    and the latest that leaves one to each span after, are the bounds of what a span can have processed.
    """
    early = min(EARLY_SECONDS, max(0.0, -min(one.consumption.at - one.delivery.at for one in found)) + _EARLY_MARGIN)
    course = [span for span in spans if known[0] + WAIT_SECONDS <= span.at <= known[1]]
    first, last = _bounds(deliveries, course, early), _bounds(deliveries, course, early, backwards=True)
    if first is None or last is None:  # a delivery is missing after all
        return [*found]
    place = {id(delivery): i for i, delivery in enumerate(deliveries)}
    bounds = {id(span): limits for span, limits in zip(course, zip(first, last, strict=True), strict=True)}
    possible = [
        match
        for match in found
        if (limits := bounds.get(id(match.consumption))) is None or limits[0] <= place[id(match.delivery)] <= limits[1]
    ]
    only = [Match(span, deliveries[i]) for span, i, j in zip(course, first, last, strict=True) if i == j]
    return [*{id(match.consumption): match for match in [*possible, *only]}.values()]


def _bounds(
    deliveries: Sequence[Delivery], spans: Sequence[Consumption], early: float, *, backwards: bool = False
) -> list[int] | None:
    """For each span the place of the earliest (latest) delivery that it can have processed; None if there is none for one."""
    step = -1 if backwards else 1
    at, bounds = len(deliveries) - 1 if backwards else 0, list[int]()
    for span in spans[::step]:
        while 0 <= at < len(deliveries) and not _can_be(span, deliveries[at], early):
            at += step
        if not 0 <= at < len(deliveries):
            return None
        bounds.append(at)
        at += step
    return bounds[::step]


def _can_be(span: Consumption, delivery: Delivery, early: float) -> bool:
    in_time = -early <= span.at - delivery.at <= WAIT_SECONDS
    same = not span.order_id or not delivery.order_id or span.order_id == delivery.order_id
    return in_time and same and delivery.routing_key in span.words


def _loose(keys: Sequence[str], gap: set[str]) -> int:
    """How many keys at the edge of a block could as well belong to the gap beside it."""
    return next((i for i, key in enumerate(keys[:_TRIM_MAX]) if key not in gap), min(len(keys), _TRIM_MAX))


def _runs(pairs: Sequence[tuple[Consumption, Delivery]]) -> Iterator[list[Match]]:
    """The pairs without those that time or a known order forbids, and not across them."""
    run: list[Match] = []
    for span, delivery in pairs:
        in_time = -EARLY_SECONDS <= span.at - delivery.at <= WAIT_SECONDS
        if in_time and (not span.order_id or not delivery.order_id or span.order_id == delivery.order_id):
            run.append(Match(span, delivery))
        else:
            yield run
            run = []
    yield run


def _is_confirmed(run: Sequence[Match]) -> bool:
    return any(match.consumption.order_id for match in run)
