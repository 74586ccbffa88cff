"""Who looks, and when: language, time zone and flow, with the words and accents that every view uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date

from ..model.flow import Flow
from ..texts import (
    Translator,
    age_words,
    duration_words,
    get_translator,
    owner_title,
    status_title,
    system_title,
)

ACCENTS = 8  # colours in the style sheet; further systems begin again
QUEUES = "queues"


@dataclass(frozen=True, slots=True)
class SystemMark:
    """A system as pages name it: title and the class of its colour."""

    name: str
    title: str
    accent: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Viewer:
    """Turns model values into words for one reader at one moment."""

    language: str
    zone: ZoneInfo
    flow: Flow
    now: datetime

    @property
    def t(self) -> Translator:
        return get_translator(self.language)

    def clock(self, at: datetime) -> str:
        """Time to the second; the day stands in front when it is not today."""
        local = at.astimezone(self.zone)
        time = local.strftime("%H:%M:%S")
        return time if local.date() == self.now.astimezone(self.zone).date() else f"{self.day(at)}, {time}"

    def day(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        same_year = local.year == self.now.astimezone(self.zone).year
        return format_date(local, "d MMM" if same_year else "d MMM y", locale=self.language).replace(" ", "\xa0")

    def exact(self, at: datetime) -> str:
        """For hovering: the moment to the microsecond, with its offset."""
        local = at.astimezone(self.zone)
        return f"{local:%Y-%m-%d %H:%M:%S.%f} {local.tzname()} (UTC{local:%z})"

    def ago(self, at: datetime) -> str:
        return age_words((self.now - at).total_seconds(), self.language)

    def lasting(self, seconds: float) -> str:
        return duration_words(seconds, self.language)

    def roughly(self, seconds: float) -> str:
        """A length of time that is still running: whole seconds are exact enough, and calmer to look at."""
        return duration_words(max(1, round(abs(seconds))), self.language)

    def status(self, status: str) -> str:
        return status_title(status, self.language)

    def owner(self, owner: str) -> str:
        return owner_title(owner, self.language)

    def mark(self, name: str) -> SystemMark:
        """Accents go by place in the flow, so that a system has the same colour everywhere."""
        name = self.flow.system_of_service.get(name, name)
        places = {system.name: i for i, system in enumerate(self.flow.systems)}
        system = self.flow.system(name)
        place = places.get(name)
        accent = "other" if place is None else f"a{place % ACCENTS + 1}"
        return SystemMark(name, system_title(system, self.language), accent, system.closed)

    def queues(self) -> SystemMark:
        return SystemMark(QUEUES, self.t.gettext("Queues"), "mq", False)
