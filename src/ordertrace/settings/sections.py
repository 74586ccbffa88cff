"""All sections but those of brokers, with defaults that suit the reference company."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from .values import Duration, Section


class CompanySettings(Section):
    name: str = "Александрит"
    language: Literal["ru", "en"] = "ru"
    timezone: str = "Europe/Moscow"


class StoreSettings(Section):
    url: str = "chdb://./ordertrace-data"
    connections: int = Field(4, ge=2, le=64)
    query_seconds_max: float = Field(20.0, gt=0)
    result_rows_max: int = Field(500_000, ge=1000)
    engine_memory_bytes_max: int = Field(700_000_000, ge=100_000_000)


class SystemSettings(Section):
    name: str
    title: str = ""
    services: tuple[str, ...] = ()
    closed: bool = False
    owner: str = ""
    follows: bool = True
    users: tuple[str, ...] = ()  # broker users that are this system; empty: its name and its services


class OrderKeySettings(Section):
    """A key of orders that is no order id, such as the number under which a carrier knows a shipment.

    `find` are rules as for order ids. Where a log record or a trace names a key together with an order, it is that order's.
    `made` are rules that find the spans in which keys come into being, and `during` is the status in which orders are asked
    for under them again and again: then even time tells whose a key is.
    """

    name: str = Field(pattern=r"^[^:]+$")
    find: tuple[str, ...]
    made: tuple[str, ...] = ()
    during: str = ""


class OrderSettings(Section):
    id: tuple[str, ...] = (
        "attribute:order.id",
        "attribute:order_id",
        "attribute:orderId",
        "pattern:url.path:^/(?:api/)?orders/(?P<id>[^/]+)",
        "pattern:url.full:^https?://[^/]+/(?:api/)?orders/(?P<id>[^/?]+)",
        "pattern:http.url:^(?:https?://[^/]+)?/(?:api/)?orders/(?P<id>[^/?]+)",
        "pattern:http.target:^/(?:api/)?orders/(?P<id>[^/?]+)",
    )
    status: tuple[str, ...] = ("attribute:order.status", "attribute:order_status")
    key: tuple[OrderKeySettings, ...] = ()


class StepSettings(Section):
    status: str
    system: str
    next: tuple[str, ...] = ()
    deadline: Duration | None = None


class FlowSettings(Section):
    deadline: Duration = timedelta(minutes=30)
    closed: tuple[str, ...] = ("CLOSED",)
    cancelled: tuple[str, ...] = ("CANCELLED",)
    error_grace: Duration = timedelta(seconds=30)
    mismatch_grace: Duration = timedelta(minutes=2)
    silence: Duration = timedelta(minutes=10)


class ListenSettings(Section):
    otlp_grpc: str = "127.0.0.1:4317"
    otlp_http: str = "127.0.0.1:4318"
    zipkin: str = "127.0.0.1:9411"
    web: str = "127.0.0.1:8080"
    jaeger_storage: str = "127.0.0.1:17271"
    request_bytes_max: int = Field(16 * 1024 * 1024, ge=1024)
    connections_max: int = Field(1000, ge=1)
    tls_certificate: str = ""
    tls_key: str = ""  # empty: in the certificate's file
    tls_client_ca: str = ""

    @model_validator(mode="after")
    def _names_a_certificate(self) -> ListenSettings:
        if (self.tls_key or self.tls_client_ca) and not self.tls_certificate:
            raise ValueError("tls_key and tls_client_ca need a tls_certificate")
        return self


class PrivacySettings(Section):
    """What is never kept. `drop_keys` are attribute names, whole or the last part after a dot, in any case."""

    drop_keys: tuple[str, ...] = (
        "address",
        "authorization",
        "birthday",
        "birthdate",
        "card",
        "card_number",
        "cardnumber",
        "cookie",
        "customer_name",
        "customername",
        "cvc",
        "cvv",
        "email",
        "e_mail",
        "first_name",
        "firstname",
        "full_name",
        "fullname",
        "last_name",
        "lastname",
        "mail",
        "middle_name",
        "passport",
        "password",
        "phone",
        "phone_number",
        "phonenumber",
        "secret",
        "set-cookie",
        "surname",
        "token",
    )
    keep_keys: tuple[str, ...] = ("server.address", "client.address", "network.peer.address", "network.local.address")
    patterns: tuple[Literal["email", "phone", "card"], ...] = ("email", "phone", "card")


class JournalSettings(Section):
    """Groups of requests on their way into the store; whichever bound is reached first closes a group.

    While the store is busy only the bounds on spans and bytes count. Small groups may become `group_age_unseen_max` old while
    nobody reads and nothing is due.
    """

    directory: str = ""  # empty: beside the embedded store
    group_spans_max: int = Field(200_000, ge=1)
    group_bytes_max: int = Field(96 * 1024 * 1024, ge=1024)
    group_age_max: Duration = timedelta(milliseconds=800)
    group_age_unseen_max: Duration = timedelta(seconds=15)
    queued_bytes_max: int = Field(192 * 1024 * 1024, ge=1024 * 1024)
    free_bytes_min: int = Field(256 * 1024 * 1024, ge=0)
    repeats_age: Duration = timedelta(minutes=10)
    repeats_requests_max: int = Field(200_000, ge=100)


class ForwardSettings(Section):
    """Where to pass on what came in, after the privacy rules; empty: nowhere."""

    url: str = ""  # http://host:4318, https://…, grpc://host:4317 or grpcs://…
    headers_file: str = ""
    tls_ca: str = ""
    timeout: Duration = timedelta(seconds=10)
    request_records_max: int = Field(2_000, ge=1, le=50_000)
    groups_max: int = Field(2_000, ge=1)
    age_max: Duration = timedelta(hours=1)

    @model_validator(mode="after")
    def _is_an_address(self) -> ForwardSettings:
        if self.url and not re.match(r"(https?|grpcs?)://[^/@]+", self.url):
            raise ValueError(f"url {self.url!r}: write http://host:4318, https://…, grpc://host:4317 or grpcs://…")
        return self


class RetentionSettings(Section):
    spans: Duration = timedelta(days=30)
    logs: Duration = timedelta(days=30)
    order_events: Duration = timedelta(days=3 * 365)


class SweepSettings(Section):
    """The search for stuck orders. `lag_max` bounds how long a deadline waits for telemetry that is usually late."""

    interval: Duration = timedelta(milliseconds=500)
    lag_max: Duration = timedelta(seconds=30)
    settle: Duration = timedelta(seconds=3)
    orders_max: int = Field(5_000, ge=10)
    open_orders_max: int = Field(200_000, ge=1_000)


class IncidentSettings(Section):
    """An incident ends by itself when nobody has suffered for `quiet`; ended ones are listed for `shown`."""

    quiet: Duration = timedelta(minutes=10)
    shown: Duration = timedelta(days=7)


class AccessSettings(Section):
    """Filled by the access capability; until then everything listens on loopback only."""


class AlertsSettings(Section):
    """Filled by the alerting capability."""


class LogsSettings(Section):
    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


DEFAULT_SYSTEMS = (
    SystemSettings(name="shop", title="Shop", services=("shop", "shop-api"), owner="sales"),
    SystemSettings(name="mes", title="MES", services=("mes", "mes-api"), closed=True, owner="production"),
    SystemSettings(name="crm", title="CRM", services=("crm", "crm-api"), owner="managers"),
    SystemSettings(name="carrier", title="Carrier", services=("carrier",), closed=True, owner="logistics"),
)

DEFAULT_STEPS = (
    StepSettings(status="INITIATED", system="shop", next=("SUBMITTED", "CANCELLED")),
    StepSettings(status="SUBMITTED", system="shop", next=("PRICE_CALCULATED", "CANCELLED")),
    StepSettings(status="PRICE_CALCULATED", system="mes", next=("MANUFACTURING_APPROVED", "CANCELLED")),
    StepSettings(status="MANUFACTURING_APPROVED", system="crm", next=("MANUFACTURING_STARTED", "CANCELLED")),
    StepSettings(status="MANUFACTURING_STARTED", system="mes", next=("MANUFACTURING_COMPLETED",)),
    StepSettings(status="MANUFACTURING_COMPLETED", system="mes", next=("PACKAGING",)),
    StepSettings(status="PACKAGING", system="mes", next=("SHIPPED",)),
    StepSettings(status="SHIPPED", system="mes", next=("CLOSED",)),
    StepSettings(status="CLOSED", system="crm"),
)
