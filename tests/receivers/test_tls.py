"""TLS on every port that takes telemetry: certificates of clients, and new files without a dropped connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ordertrace.certificates import Certificates
from ordertrace.errors import Invalid
from ordertrace.settings import Settings
from ordertrace.settings.sections import ListenSettings
from tests.ingest.conftest import Running, running, settings_in
from tests.ingest.requests import request, span

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = {"content-type": "application/x-protobuf"}


class Authority:
    """Signs certificates; `name` tells one from another."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory, self.name = directory, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(name, self._key.public_key(), ca=True)
        self.file = directory / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, subject: str, certificate: Path, key: Path) -> None:
        """Writes a certificate for 127.0.0.1 and its key."""
        private = ec.generate_private_key(ec.SECP256R1())
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        certificate.write_bytes(self._sign(subject, private.public_key(), ca=False).public_bytes(pem))
        key.write_bytes(private.private_bytes(pem, pkcs8, serialization.NoEncryption()))

    def _sign(self, subject: str, key: ec.EllipticCurvePublicKey, ca: bool) -> x509.Certificate:
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, self.name)]
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(names[1], names[0], key, x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path, "authority")
    authority.issue("first", tmp_path / "server.crt", tmp_path / "server.key")
    authority.issue("client", tmp_path / "client.crt", tmp_path / "client.key")
    return authority


def tls_settings(tmp_path: Path, client_ca: Path | None = None) -> Settings:
    settings = settings_in(tmp_path / "data")
    listen = settings.listen.model_copy(
        update={
            "tls_certificate": str(tmp_path / "server.crt"),
            "tls_key": str(tmp_path / "server.key"),
            "tls_client_ca": str(client_ca or ""),
        }
    )
    return settings.model_copy(update={"listen": listen})


def client_context(authority: Authority, shown: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if shown:
        context.load_cert_chain(authority.directory / f"{shown}.crt", authority.directory / f"{shown}.key")
    return context


def credentials(authority: Authority, shown: str = "") -> grpc.ChannelCredentials:
    if not shown:
        return grpc.ssl_channel_credentials(authority.file.read_bytes())
    key, chain = ((authority.directory / f"{shown}.{end}").read_bytes() for end in ("key", "crt"))
    return grpc.ssl_channel_credentials(authority.file.read_bytes(), key, chain)


async def send_everywhere(run: Running, authority: Authority, shown: str = "") -> list[str]:
    """What each way in answers: `ok` or the kind of failure."""

    async def over_grpc() -> None:
        async with grpc.aio.secure_channel(run.grpc.address, credentials(authority, shown)) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
            await call(request(span("grpc")).SerializeToString(), timeout=5)

    async def over_http() -> None:
        async with httpx2.AsyncClient(verify=client_context(authority, shown)) as client:
            body = request(span("http")).SerializeToString()
            answer = await client.post(f"https://{run.http.address}/v1/traces", content=body, headers=PROTOBUF)
            answer.raise_for_status()

    async def over_zipkin() -> None:
        async with httpx2.AsyncClient(verify=client_context(authority, shown)) as client:
            body = b'[{"traceId":"a","id":"%x","name":"zipkin"}]' % (id(client) | 1)
            headers = {"content-type": "application/json"}
            answer = await client.post(f"https://{run.zipkin.address}/api/v2/spans", content=body, headers=headers)
            answer.raise_for_status()

    answers = []
    for send in (over_grpc, over_http, over_zipkin):
        try:
            await send()
            answers.append("ok")
        except (grpc.aio.AioRpcError, httpx2.HTTPError):
            answers.append("failed")
    return answers


async def test_every_port_speaks_tls_and_nothing_else(tmp_path: Path, authority: Authority) -> None:
    async with running(tls_settings(tmp_path)) as run:
        assert await send_everywhere(run, authority) == ["ok", "ok", "ok"]
        assert await send_everywhere(run, Authority(tmp_path, "stranger")) == ["failed"] * 3
        async with httpx2.AsyncClient() as client:
            with pytest.raises(httpx2.HTTPError):
                await client.get(f"http://{run.http.address}/v1/traces")
        await run.intake.flush()
        assert run.rows("SELECT SpanName FROM otel_traces ORDER BY SpanName") == [("grpc",), ("http",), ("zipkin",)]


async def test_clients_show_certificates_where_they_must(tmp_path: Path, authority: Authority) -> None:
    async with running(tls_settings(tmp_path, authority.file)) as run:
        assert await send_everywhere(run, authority) == ["failed"] * 3
        assert await send_everywhere(run, authority, "client") == ["ok", "ok", "ok"]
        Authority(tmp_path, "stranger").issue("other", tmp_path / "other.crt", tmp_path / "other.key")
        assert await send_everywhere(run, authority, "other") == ["failed"] * 3


async def shown_by(address: str) -> str:
    """The common name in the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    host, port = address.split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    (name,) = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)


async def test_new_files_take_effect_without_dropping_a_connection(tmp_path: Path, authority: Authority) -> None:
    async with running(tls_settings(tmp_path)) as run:
        addresses: list[Callable[[], str]] = [
            lambda: run.grpc.address,
            lambda: run.http.address,
            lambda: run.zipkin.address,
        ]
        assert [await shown_by(address()) for address in addresses] == ["first"] * 3
        async with (
            grpc.aio.secure_channel(run.grpc.address, credentials(authority)) as channel,
            httpx2.AsyncClient(verify=client_context(authority), base_url=f"https://{run.http.address}") as client,
        ):
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
            await call(request(span("grpc")).SerializeToString())
            await client.post("/v1/traces", content=request(span("http")).SerializeToString(), headers=PROTOBUF)

            (tmp_path / "server.crt").write_text("half of it")
            assert [await shown_by(address()) for address in addresses] == ["first"] * 3
            Authority(tmp_path, "new").issue("second", tmp_path / "server.crt", tmp_path / "server.key")
            assert [await shown_by(address()) for address in addresses] == ["second"] * 3

            # the old authority would not vouch for a new connection: these are the old ones
            await call(request(span("grpc again")).SerializeToString())
            body = request(span("http again")).SerializeToString()
            assert (await client.post("/v1/traces", content=body, headers=PROTOBUF)).status_code == 200
        await run.intake.flush()
        assert run.rows("SELECT count() FROM otel_traces") == [(4,)]


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="absent"):
        Certificates.of(ListenSettings(tls_certificate=str(tmp_path / "absent.crt")))
    (tmp_path / "no.crt").write_text("nothing")
    with pytest.raises(Invalid, match=r"no\.crt"):
        Certificates.of(ListenSettings(tls_certificate=str(tmp_path / "no.crt")))
    with pytest.raises(ValueError, match="tls_certificate"):
        ListenSettings(tls_key="x.key")
