"""Titles and short phrases: statuses, systems, owners, durations, numbers."""

from __future__ import annotations

from babel.numbers import format_decimal

from ..model.flow import System
from ..model.order import OrderState
from .translator import N_, get_translator

NO_BREAK = "\N{NO-BREAK SPACE}"

_NOW = {
    "INITIATED": N_("being placed"),
    "SUBMITTED": N_("waits for the price"),
    "PRICE_CALCULATED": N_("waits for approval"),
    "MANUFACTURING_APPROVED": N_("waits for production"),
    "MANUFACTURING_STARTED": N_("in production"),
    "MANUFACTURING_COMPLETED": N_("waits for packing"),
    "PACKAGING": N_("being packed"),
    "SHIPPED": N_("on its way"),
    "CLOSED": N_("closed"),
    "CANCELLED": N_("cancelled"),
}
_REACHED = {
    "INITIATED": N_("order created"),
    "SUBMITTED": N_("order submitted"),
    "PRICE_CALCULATED": N_("price calculated"),
    "MANUFACTURING_APPROVED": N_("order approved"),
    "MANUFACTURING_STARTED": N_("production started"),
    "MANUFACTURING_COMPLETED": N_("production finished"),
    "PACKAGING": N_("packing"),
    "SHIPPED": N_("order shipped"),
    "CLOSED": N_("order closed"),
    "CANCELLED": N_("order cancelled"),
}
_TASKS = {
    "INITIATED": N_("create the order"),
    "SUBMITTED": N_("submit the order"),
    "PRICE_CALCULATED": N_("calculate the price"),
    "MANUFACTURING_APPROVED": N_("approve the order"),
    "MANUFACTURING_STARTED": N_("start production"),
    "MANUFACTURING_COMPLETED": N_("finish production"),
    "PACKAGING": N_("pack the order"),
    "SHIPPED": N_("ship the order"),
    "CLOSED": N_("close the order"),
    "CANCELLED": N_("cancel the order"),
}
_STATES = {
    OrderState.OPEN: N_("in progress"),
    OrderState.STUCK: N_("stuck"),
    OrderState.FAILED: N_("failed"),
    OrderState.CLOSED: N_("done"),
    OrderState.CANCELLED: N_("called off"),
}
_SYSTEMS = {"Shop": N_("Shop"), "Carrier": N_("Carrier")}
_OWNERS = {
    "sales": N_("sales"),
    "production": N_("production"),
    "managers": N_("managers"),
    "logistics": N_("logistics"),
}


def status_title(status: str, language: str) -> str:
    """What an order in this status is doing: "waits for the price". Unknown statuses stay as they are."""
    return get_translator(language).gettext(_NOW[status]) if status in _NOW else status


def status_reached(status: str, language: str) -> str:
    """What happened when the status was reached: "price calculated". Unknown statuses stay as they are."""
    return get_translator(language).gettext(_REACHED[status]) if status in _REACHED else status


def task_words(status: str, language: str) -> str:
    """What somebody has to do to reach the status, as an infinitive: "calculate the price"."""
    t = get_translator(language)
    if not status:
        return t.gettext("process the order")
    return t.gettext(_TASKS[status]) if status in _TASKS else t.gettext("bring the order to %(status)s", status=status)


def state_title(state: OrderState | str, language: str) -> str:
    return get_translator(language).gettext(_STATES[OrderState(state)])


def system_title(system: System, language: str) -> str:
    """The title people use for a system; common ones are translated, others shown as configured."""
    title = system.title or system.name
    return get_translator(language).gettext(_SYSTEMS[title]) if title in _SYSTEMS else title


def owner_title(owner: str, language: str) -> str:
    return get_translator(language).gettext(_OWNERS[owner]) if owner in _OWNERS else owner


def duration_words(seconds: float, language: str) -> str:
    """A length of time in at most two units: "31 ms", "1.9 s", "9 min", "2 h 10 min", "3 days 4 h"."""
    t = get_translator(language)
    seconds = abs(seconds)
    if seconds < 0.9995:
        return _glue(t.gettext("%(n)s ms", n=round(seconds * 1000) or "<1"))
    if seconds < 9.95:
        return _glue(t.gettext("%(n)s s", n=format_decimal(round(seconds, 1), locale=language)))
    if seconds < 59.5:
        return _glue(t.gettext("%(n)s s", n=round(seconds)))
    minutes = int(seconds / 60 + 0.5)
    if minutes < 60:
        return _glue(t.gettext("%(n)s min", n=minutes))
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        parts = [t.gettext("%(n)s h", n=hours), t.gettext("%(n)s min", n=minutes) if minutes else ""]
    else:
        days, hours = divmod(hours, 24)
        parts = [t.ngettext("%(num)s day", "%(num)s days", days), t.gettext("%(n)s h", n=hours) if hours else ""]
    return _glue(" ".join(filter(None, parts)))


def age_words(seconds: float, language: str) -> str:
    """How long ago: "9 min ago"; below two seconds "just now"."""
    t = get_translator(language)
    if seconds < 2:
        return t.gettext("just now")
    return t.gettext("%(duration)s ago", duration=duration_words(round(seconds), language))


def number_words(value: float, language: str, digits: int = 0) -> str:
    """A number with the language's separators."""
    return format_decimal(round(value, digits), locale=language)


def _glue(text: str) -> str:
    return text.replace(" ", NO_BREAK)
