"""Rows about links between traces and about ids of messages: what ties spans, traces and messages to each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from ..model.flow import Flow
from .store import Row, Store

_ROWS_MAX = 500_000


class TieStore:
    """The statements of spreading orders over ties; `stamp` is the time of insertion of all that one round writes."""

    def __init__(self, store: Store, flow: Flow) -> None:
        self._store = store
        self._flow: dict[str, object] = {
            "systems": [system.name for system in flow.systems],
            "statuses": list(flow.ranks.keys()),
            "ranks": list(flow.ranks.values()),
            "owners": [step.system if (step := flow.step(status)) else "" for status in flow.ranks],
        }

    async def seen(self) -> tuple[bool, bool]:
        """Whether any span links to another trace, and whether any message refers to another one."""
        ((links, correlations),) = await self._store.query("link_seen")
        return bool(links), bool(correlations)

    async def note_links(self, groups: Sequence[datetime], stamp: datetime) -> bool:
        """Remembers links of these groups to other traces; whether there are any."""
        ((count,),) = await self._store.query("link_count", {"groups": list(groups)})
        if count:
            await self._store.execute("link_links", {"groups": list(groups), "stamp": stamp})
        return bool(count)

    async def note_ids(self, groups: Sequence[datetime], messages: Sequence[datetime], stamp: datetime) -> bool:
        """Remembers ids of messages that groups of spans and batches of messages hold; whether any refers to another one."""
        if messages:
            await self._store.execute("link_ids_of_messages", {"messages": list(messages), "stamp": stamp})
        if groups:
            await self._store.execute("link_ids_of_spans", {"groups": list(groups), "stamp": stamp})
        ((count,),) = await self._store.query("link_fresh_correlations", {"stamp": stamp})
        return bool(count)

    async def name_by_message_ids(self, stamp: datetime) -> None:
        """Names spans that carry the id of a message."""
        await self._store.execute("link_message_ids", {"stamp": stamp})

    async def contested_ids(self, stamp: datetime) -> list[Row]:
        """Names that spans have by the id of a message, where several orders turned out to have it: as `derived`."""
        return list(await self._store.query("link_contested_ids", {"stamp": stamp, "limit": _ROWS_MAX}))

    async def tied_traces(self, groups: Sequence[datetime], limit: int) -> list[str]:
        """Traces with links of which something new is known."""
        rows = await self._store.query("link_tied_traces", {"groups": list(groups), "limit": limit})
        return [row[0] for row in rows]

    async def tied_ids(self, groups: Sequence[datetime], limit: int) -> list[str]:
        """Ids that messages refer to of which something new is known."""
        rows = await self._store.query("link_tied_ids", {"groups": list(groups), "limit": limit})
        return [row[0] for row in rows]

    async def links(self, traces: Collection[str]) -> Sequence[Row]:
        """(trace, span, linked trace, linked span) of all links of these traces."""
        return await self._store.query("link_ties_links", {"traces": sorted(traces), "limit": _ROWS_MAX})

    async def ids(self, ids: Collection[str], holders: Collection[str], most: int) -> Sequence[Row]:
        """(id, broker, key, trace, span, order that it says) of these ids and of those that holders (traces, keys) hold."""
        parameters = {"ids": sorted(ids), "holders": sorted(holders), "most": most, "limit": _ROWS_MAX}
        return await self._store.query("link_ties_ids", parameters)

    async def names(self, traces: Collection[str]) -> Sequence[Row]:
        """(trace, orders that are said, orders that are suggested), but for what is derived from ties."""
        return await self._store.query("link_ties_names", {"traces": sorted(traces)})

    async def span_names(self, spans: Collection[tuple[str, str]]) -> Sequence[Row]:
        """(trace, span, orders) of spans, as (trace, span), that something names."""
        given = {"traces": sorted({trace for trace, _ in spans}), "spans": sorted({span for _, span in spans})}
        return await self._store.query("link_ties_span_names", given)

    async def derived(self, traces: Collection[str]) -> set[tuple[str, str, str, str]]:
        """(trace, span, order, how) of what ties have given."""
        rows = await self._store.query("link_derived", {"traces": sorted(traces)})
        return {(row[0], row[1], row[2], row[3]) for row in rows}

    async def derived_messages(self, keys: Collection[str]) -> set[tuple[str, str, str, str]]:
        """(broker, key, order, how) of messages that do not name their order."""
        rows = await self._store.query("link_derived_messages", {"keys": sorted(keys)})
        return {(row[0], row[1], row[2], row[3]) for row in rows}

    async def name(self, names: Collection[tuple[str, str, str, str]], stamp: datetime) -> None:
        """Names spans: (trace, span, order, how)."""
        columns = ("trace_id", "span_id", "order_id", "joined_by", "inserted_at")
        await self._store.insert("span_orders", columns, [(*name, stamp) for name in sorted(names)])

    async def name_messages(self, names: Collection[tuple[str, str, str, str]], stamp: datetime) -> None:
        """Names messages: (broker, key, order, how)."""
        columns = ("broker", "key", "order_id", "joined_by", "inserted_at")
        await self._store.insert("message_orders", columns, [(*name, stamp) for name in sorted(names)])

    async def tell_messages(self, keys: Collection[str], stamp: datetime) -> None:
        """Makes the facts that messages tell about orders that they do not name."""
        await self._store.execute("link_tell_messages", self._flow | {"keys": sorted(keys), "stamp": stamp})

    async def facts_of(self, names: Collection[tuple[str, str, str, str]]) -> list[tuple[str, str]]:
        """(order, event) of facts that traces gave to orders because of these names."""
        pairs = sorted({(trace, order) for trace, _, order, _ in names})
        return await self._facts("link_facts_of_names", "traces", pairs)

    async def facts_of_messages(self, names: Collection[tuple[str, str, str, str]]) -> list[tuple[str, str]]:
        """(order, event) of facts that messages tell because of these names."""
        return await self._facts("link_facts_of_messages", "keys", sorted({(key, order) for _, key, order, _ in names}))

    async def unname(self, names: Collection[tuple[str, str, str, str]]) -> None:
        """Takes names back: (trace, span, order, how)."""
        columns = _columns(names, ("traces", "spans", "orders", "ways"))
        await self._store.execute("link_unname", columns)
        await self._store.execute("link_unname_traces", {"traces": columns["traces"]})
        await self._store.execute("link_unname_orders", {"traces": columns["traces"], "orders": columns["orders"]})

    async def unname_messages(self, names: Collection[tuple[str, str, str, str]]) -> None:
        """Takes orders back from messages: (broker, key, order, how)."""
        await self._store.execute("link_unname_messages", _columns(names, ("brokers", "keys", "orders", "ways")))

    async def _facts(self, name: str, what: str, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        given = {what: [one for one, _ in pairs], "orders": [order for _, order in pairs]}
        return [(row[0], row[1]) for row in await self._store.query(name, given)]


def _columns(rows: Collection[tuple[str, ...]], names: Sequence[str]) -> dict[str, Any]:
    return {name: list(column) for name, column in zip(names, zip(*sorted(rows), strict=True), strict=True)}
