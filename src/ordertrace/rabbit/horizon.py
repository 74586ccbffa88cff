"""How far a broker was seen, and the spans in which it was not. Pure: told of heartbeats and of what makes blind; no clock."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from ..metrics import Metrics
from ..model.message import WatchGap
from .detector import Detector

_log = structlog.get_logger(__name__)
_GAPS_KEPT = 100


class Horizon:
    """Up to when everything was seen, and whether the watch is blind now. Tells the detector of both."""

    def __init__(self, broker: str, detector: Detector, metrics: Metrics) -> None:
        self._broker = broker
        self._detector = detector
        self._metrics = metrics
        self.seen_until = 0.0
        self.gap: WatchGap | None = None
        self._over_at = 0.0
        self._ended: list[WatchGap] = []
        self.unsaved: list[WatchGap] = []

    @property
    def gaps(self) -> tuple[WatchGap, ...]:
        """The latest gaps of this process, the present one last."""
        return (*self._ended[-20:], *([self.gap] if self.gap else ()))

    def take_beat(self, sent: float, at: float) -> None:
        """All traces of what happened before this heartbeat was sent have been read at `at`."""
        if self.gap and sent > self._over_at:
            self._end(self.gap, sent)
        if not self.gap:
            self.seen_until = max(self.seen_until, sent)
            self._detector.seen(sent, at)

    def lose_sight(self, reason: str, now: float, start: float | None = None) -> None:
        """From the last heartbeat that came back until one comes back that is sent from now on."""
        self._over_at = now
        if self.gap is not None:
            return
        began = start if start is not None else self.seen_until or now
        self.gap = WatchGap(self._broker, _time(began), None, reason)
        self._detector.blind(began, now)
        if reason != "starting":
            self.unsaved.append(self.gap)
            self._metrics.watch_gaps.labels(self._broker, reason).inc()
            _log.warning("blind", broker=self._broker, reason=reason)

    def _end(self, gap: WatchGap, until: float) -> None:
        self.gap = None
        self._detector.blind(gap.start.timestamp(), until)
        if gap.reason != "starting":
            ended = WatchGap(gap.broker, gap.start, _time(until), gap.reason)
            self.unsaved.append(ended)
            self._ended = [*self._ended[-_GAPS_KEPT:], ended]
            _log.info("watching again", broker=self._broker, reason=gap.reason)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
