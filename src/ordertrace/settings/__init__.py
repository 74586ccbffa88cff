"""All settings: `ordertrace.toml`, then environment `ORDERTRACE_SECTION__KEY`, over defaults that suit the reference company.

Unknown keys are errors. Every limit carries its unit in its name; durations are written as "90s", "5m", "2h", "30d".
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ..errors import Invalid
from .brokers import BrokerSettings
from .rules import parse_rule
from .sections import (
    DEFAULT_STEPS,
    DEFAULT_SYSTEMS,
    AccessSettings,
    AlertsSettings,
    CompanySettings,
    FlowSettings,
    ForwardSettings,
    IncidentSettings,
    JournalSettings,
    ListenSettings,
    LogsSettings,
    OrderSettings,
    PrivacySettings,
    RetentionSettings,
    StepSettings,
    StoreSettings,
    SweepSettings,
    SystemSettings,
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
