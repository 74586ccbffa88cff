"""What receivers over HTTP have in common: an address, certificates, bounded bodies. Which paths there are is theirs to say."""

from __future__ import annotations

from starlette.types import ASGIApp

from ..certificates import Certificates
from ..ingest.intake import Intake
from ..listening import HttpListener
from ..metrics import Metrics
from ..settings import Settings
from .bodies import BodyReader


class HttpReceiver(HttpListener):
    """Listens while entered; `port` is the real one where 0 was asked for."""

    def __init__(self, take: ASGIApp, address: str, intake: Intake, settings: Settings, metrics: Metrics) -> None:
        self._intake = intake
        self._metrics = metrics
        self._bodies = BodyReader(settings.listen.request_bytes_max, settings.journal.queued_bytes_max, metrics)
        refused = metrics.limits_hit.labels("connections").inc
        super().__init__(take, address, settings.listen.connections_max, Certificates.of(settings.listen), refused)
