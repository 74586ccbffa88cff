"""Reading the log records of orders: rows → model. Judges nothing."""

from __future__ import annotations

from ..errors import NotFound
from ..model.flow import Flow
from ..model.log import LogPage, LogRecord
from ..model.order import JoinedBy
from .cursor import offset_of
from .store import Row, Store


class LogStore:
    """Log records in the store, with the systems of one flow."""

    def __init__(self, store: Store, flow: Flow) -> None:
        self._store = store
        self._systems = flow.system_of_service

    async def find_logs(self, order_id: str, limit: int, cursor: str = "", severity: int = 0) -> LogPage:
        """One page of an order's records, earliest first, of at least this severity.

        Raises NotFound if nothing was ever heard of the order, Invalid for a cursor that is not ours.
        """
        offset = offset_of(cursor)
        rows = await self._query(order_id, limit + 1, offset, severity, last=False)
        if not rows and not await self._store.query("order_known", {"order": order_id}):
            raise NotFound(f"nothing is known of order {order_id!r}; is the number right?")
        more = str(offset + limit) if len(rows) > limit else None
        return LogPage(tuple(self._record(row) for row in rows[:limit]), more)

    async def find_latest(self, order_id: str, limit: int) -> LogPage:
        """The latest records of an order, earliest first; the page's cursor says whether there are earlier ones."""
        rows = await self._query(order_id, limit + 1, 0, 0, last=True)
        return LogPage(tuple(self._record(row) for row in rows[:limit][::-1]), "0" if len(rows) > limit else None)

    async def _query(self, order_id: str, limit: int, offset: int, severity: int, last: bool) -> list[Row]:
        parameters = {"order": order_id, "limit": limit, "offset": offset, "severity": severity, "last": int(last)}
        return list(await self._store.query("find_logs", parameters))

    def _record(self, row: Row) -> LogRecord:
        return LogRecord(
            at=row[0],
            system=self._systems.get(row[1], row[1]),
            severity=row[2],
            severity_text=row[3],
            body=row[4],
            logger=row[5],
            event_name=row[6],
            trace_id=row[7],
            span_id=row[8],
            joined_by=JoinedBy(row[9]) if row[9] else JoinedBy.TRACE,
            attributes=row[10],
            types=row[11],
        )
