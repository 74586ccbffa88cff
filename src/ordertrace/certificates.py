"""The certificates of our listeners, from files that may be replaced while we run: every new connection gets the newest.

Connections that stand are not touched. Files that cannot be used leave the former ones in force, which is logged.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import structlog

from .errors import Invalid
from .settings.sections import ListenSettings

_log = structlog.get_logger(__name__)


class Certificates:
    """What one listener shows, and asks of its clients."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None, speaks: Sequence[str] = ()) -> None:
        """`speaks` are protocols for clients that ask for one by name (ALPN).

        Raises Invalid, naming the file, where one cannot be used.
        """
        self._speaks = list(speaks)
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._state = self._look()
        try:
            self._context = self._build()
        except OSError as error:
            raise Invalid(f"listen.tls_*: cannot use {certificate} and {key}: {error.strerror or error}") from None

    @classmethod
    def of(cls, listen: ListenSettings, *, ask_clients: bool = True, speaks: Sequence[str] = ()) -> Self | None:
        """As the settings say; None where they name no certificate. Raises Invalid."""
        if not listen.tls_certificate:
            return None
        client_ca = Path(listen.tls_client_ca) if listen.tls_client_ca and ask_clients else None
        return cls(Path(listen.tls_certificate), Path(listen.tls_key or listen.tls_certificate), client_ca, speaks)

    def context(self) -> ssl.SSLContext:
        """For a listener of our event loop. At each handshake it hands over to one with the newest files."""
        outer = self._build()

        def choose(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
            self._refresh()
            connection.context = self._context

        outer.sni_callback = choose
        return outer

    def _refresh(self) -> None:
        if (state := self._look()) == self._state:
            return
        self._state = state
        try:
            self._context = self._build()
        except OSError as error:  # half of the files are new, perhaps: the other half will change them again
            _log.warning("new certificate cannot be used, going on with the former one", error=str(error))
        else:
            _log.info("new certificate", file=str(self._certificate))

    def _build(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._certificate, self._key)
        if self._speaks:
            context.set_alpn_protocols(self._speaks)
        if self._client_ca:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        files = [file for file in (self._certificate, self._key, self._client_ca) if file]
        return tuple(_identity(file) for file in files)


def _identity(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size
