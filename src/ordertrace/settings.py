"""All settings: `ordertrace.toml`, then environment `ORDERTRACE_SECTION__KEY`, over defaults that suit the reference company.

Unknown keys are errors. Every limit carries its unit in its name; durations are written as "90s", "5m", "2h", "30d".
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .errors import Invalid

_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> object:
    """`"5m"` → five minutes; anything but a string passes through to pydantic. Raises ValueError for other texts."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", value.strip())
    if not found:
        raise ValueError(f"{value!r} is not a duration; write it as 90s, 5m, 2h or 30d")
    return timedelta(seconds=float(found[1]) * _UNIT_SECONDS[found[2]])


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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


def parse_texts(value: object) -> object:
    """One text or a list of them; an empty text is none."""
    return ((value,) if value else ()) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(parse_texts)]

MuteableVerdict = Literal[
    "*", "unroutable", "expired", "maxlen", "overflow_rejected", "rejected", "delivery_limit", "dead_lettered",
    "queue_deleted", "removed", "broker_restart", "stuck_in_queue", "unacked", "redelivery_loop",
]  # fmt: skip


class BrokerMessageSettings(Section):
    """How to read messages that were published to `exchange` (a name, or a pattern with `*`); first match wins."""

    exchange: str
    order_id: Texts = ()
    status: Texts = ()


class BrokerQueueSettings(Section):
    """What is allowed in queues of this name (or pattern with `*`), and which verdicts are nothing to report there."""

    name: str
    wait: Duration | None = None
    unacked: Duration | None = None
    mute: tuple[MuteableVerdict, ...] = ()


class BrokerExchangeSettings(Section):
    """Exchanges of this name (or pattern with `*`) to which nobody needs to listen."""

    name: str
    mute: tuple[MuteableVerdict, ...] = ("unroutable",)


class RepublishSettings(Section):
    """Sending lost messages again, off by default. What may be sent waits at the broker, in a bounded queue of ours."""

    enabled: bool = False
    messages_max: int = Field(1_000, ge=1, le=10_000)
    bytes_max: int = Field(32 * 1024 * 1024, ge=1024)
    age: Duration = timedelta(days=1)


DEFAULT_MESSAGES = (
    BrokerMessageSettings(
        exchange="alexandrite.orders",
        order_id=("body:$.orderId", "body:$.OrderId", "header:x-order-id"),
        status=("body:$.status", "body:$.Status", r"routing_key:^order\.(?P<status>[a-z_]+)$"),
    ),
)


class BrokerSettings(Section):
    """One virtual host of a broker, and the bounds of watching it; see `[[broker]]` in the reference."""

    name: str
    url: SecretStr = SecretStr("")  # empty: only recordings of its firehose are taken
    management: str = ""
    message: tuple[BrokerMessageSettings, ...] = DEFAULT_MESSAGES
    queue: tuple[BrokerQueueSettings, ...] = ()
    exchange: tuple[BrokerExchangeSettings, ...] = ()
    wait: Duration = timedelta(minutes=1)
    unacked: Duration = timedelta(minutes=5)
    redeliveries_max: int = Field(10, ge=2)
    tap: bool = True
    tap_keys: tuple[str, ...] = ("publish.#", "deliver.#")
    tap_messages_max: int = Field(5_000, ge=100, le=50_000)
    dead_letters: bool = True
    dead_letters_max: int = Field(10_000, ge=100)
    dead_letters_age: Duration = timedelta(hours=1)
    events: bool = True
    event_vhost: str = "/"
    events_max: int = Field(5_000, ge=100)
    poll: Duration = timedelta(milliseconds=500)
    management_poll: Duration = timedelta(seconds=1)
    beat: Duration = timedelta(milliseconds=500)
    blind_after: Duration = timedelta(seconds=3)
    reconnect_max: Duration = timedelta(seconds=15)
    in_flight_max: int = Field(100_000, ge=1_000)
    unsettled_max: int = Field(50_000, ge=1_000)
    queues_max: int = Field(500, ge=1)
    republish: RepublishSettings = RepublishSettings()

    @model_validator(mode="after")
    def _reads_messages(self) -> BrokerSettings:
        for message in self.message:
            for rule in (*message.order_id, *message.status):
                parse_message_rule(rule)
        return self


def parse_message_rule(text: str) -> tuple[str, str]:
    """`body:$.path`, `header:NAME`, `property:NAME` or `routing_key:REGEX` → (source, rest).

    The pattern's first group is taken, or all of it. Raises ValueError with what is wrong.
    """
    source, _, rest = text.partition(":")
    if source not in ("body", "header", "property", "routing_key") or not rest:
        raise ValueError(f"rule {text!r}: write body:$.PATH, header:NAME, property:NAME or routing_key:REGEX")
    if source == "body" and not re.fullmatch(r"\$(?:\.[^.\[\]]+|\[\d+\])+", rest):
        raise ValueError(f"rule {text!r}: write the path as $.name.name or $.name[0]")
    if source == "routing_key":
        try:
            re.compile(rest)
        except re.error as error:
            raise ValueError(f"rule {text!r}: {error}") from None
    return source, rest


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

    While the store is busy only the bounds on spans and bytes count.
    """

    directory: str = ""  # empty: beside the embedded store
    group_spans_max: int = Field(100_000, ge=1)
    group_bytes_max: int = Field(64 * 1024 * 1024, ge=1024)
    group_age_max: Duration = timedelta(milliseconds=800)
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


class Settings(BaseSettings):
    """Everything that can be set, in force. Lists are written as `[[system]]`, `[[step]]`, `[[broker]]`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="ORDERTRACE_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    company: CompanySettings = CompanySettings()
    store: StoreSettings = StoreSettings()
    system: tuple[SystemSettings, ...] = DEFAULT_SYSTEMS
    order: OrderSettings = OrderSettings()
    step: tuple[StepSettings, ...] = DEFAULT_STEPS
    flow: FlowSettings = FlowSettings()
    broker: tuple[BrokerSettings, ...] = ()
    listen: ListenSettings = ListenSettings()
    privacy: PrivacySettings = PrivacySettings()
    journal: JournalSettings = JournalSettings()
    forward: ForwardSettings = ForwardSettings()
    retention: RetentionSettings = RetentionSettings()
    sweep: SweepSettings = SweepSettings()
    incidents: IncidentSettings = IncidentSettings()
    access: AccessSettings = AccessSettings()
    alerts: AlertsSettings = AlertsSettings()
    logs: LogsSettings = LogsSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file; the file's content comes in as init arguments."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _refers_to_known_names(self) -> Settings:
        systems = {system.name for system in self.system}
        statuses = {step.status for step in self.step} | set(self.flow.closed) | set(self.flow.cancelled)
        for step in self.step:
            if step.system not in systems:
                raise ValueError(
                    f"step {step.status}: system {step.system!r} is not among [[system]] {sorted(systems)}"
                )
            if unknown := set(step.next) - statuses:
                raise ValueError(f"step {step.status}: next {sorted(unknown)} is no [[step]] and ends no order")
        for rule in (
            *self.order.id,
            *self.order.status,
            *(text for key in self.order.key for text in (*key.find, *key.made)),
        ):
            parse_rule(rule)
        return self


class Rule(BaseModel):
    """Where to find an order id or a status: an attribute, a pattern in an attribute, or a pattern in a log record's body.

    Written as `attribute:KEY`, `pattern:KEY:REGEX` or `log:REGEX` with a group named `id` (or `status`); RE2 syntax.
    """

    model_config = ConfigDict(frozen=True)
    source: Literal["attribute", "pattern", "log"]
    key: str
    pattern: str = ""
    group: int = 0


def parse_rule(text: str) -> Rule:
    """One rule of `[order]`. Raises ValueError with what is wrong in it."""
    source, _, rest = text.partition(":")
    if source == "attribute" and rest:
        return Rule(source="attribute", key=rest)
    if source == "log" and rest:
        return Rule(source="log", key="", pattern=rest, group=_group(text, rest))
    key, _, pattern = rest.partition(":")
    if source != "pattern" or not key or not pattern:
        raise ValueError(f"rule {text!r}: write attribute:KEY, pattern:KEY:REGEX or log:REGEX")
    return Rule(source="pattern", key=key, pattern=pattern, group=_group(text, pattern))


def span_rules(texts: Sequence[str]) -> list[Rule]:
    """Those of the rules that look into attributes, as spans and log records have."""
    return [rule for rule in map(parse_rule, texts) if rule.source != "log"]


def _group(text: str, pattern: str) -> int:
    """The number of the pattern's only named group. Raises ValueError."""
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"rule {text!r}: {error}") from None
    if len(groups) != 1:
        raise ValueError(f"rule {text!r}: the pattern needs exactly one named group, (?P<id>…)")
    return next(iter(groups.values()))


def load_settings(path: Path | None = None) -> Settings:
    """Settings in force, from a TOML file (None: defaults) and the environment.

    Raises Invalid naming each key that is unknown or wrong.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8")) if path else {}
    except OSError as error:
        raise Invalid(f"cannot read the settings {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is not valid TOML: {error}") from None
    _check_environment()
    try:
        return Settings(**content)
    except ValidationError as error:
        raise Invalid(f"settings{f' {path}' if path else ''}: {_problems(error)}") from None


def data_directory(settings: Settings) -> Path:
    """Where the embedded store, the journal and the keys lie."""
    url = settings.store.url
    return Path(url.removeprefix("chdb://")) if url.startswith("chdb://") else Path("ordertrace-data")


def origin_of(key: str, content: dict[str, Any]) -> str:
    """Where the value of `section.name` comes from: `environment`, `file` or `default`; `content` is the parsed file."""
    section, _, name = key.partition(".")
    variable = f"ORDERTRACE_{section}__{name}".upper() if name else f"ORDERTRACE_{section}".upper()
    if any(have.upper() == variable for have in os.environ):
        return "environment"
    inside = content.get(section)
    return "file" if (inside is not None if not name else isinstance(inside, dict) and name in inside) else "default"


def _check_environment() -> None:
    for variable in os.environ:
        section, nested, _ = variable.removeprefix("ORDERTRACE_").partition("__")
        if variable.startswith("ORDERTRACE_") and nested and section.lower() not in Settings.model_fields:
            raise Invalid(f"environment {variable}: there is no section {section.lower()!r}")


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'all'}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
    )
