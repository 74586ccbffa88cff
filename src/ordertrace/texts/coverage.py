"""What to change at a system so that more is known of its orders: one sentence and where the lines go."""

from __future__ import annotations

from ..model.coverage import Advice, AdviceKind
from ..model.flow import System
from .translator import get_translator
from .words import number_words, system_title


def advice_sentence(advice: Advice, system: System, language: str) -> str:
    """The one change that would help most at a system, and why."""
    t = get_translator(language)
    words = {
        "system": system_title(system, language),
        "share": share_words(advice.share, language),
        "example": advice.example or "—",
    }
    sentences = {
        AdviceKind.CONNECT: t.gettext(
            "Nothing has ever been heard of %(system)s: point its OpenTelemetry agent at ordertrace.", **words
        ),
        AdviceKind.RECONNECT: t.gettext(
            "%(system)s has fallen silent: look whether it runs and whether its exporter reaches ordertrace.", **words
        ),
        AdviceKind.NAME_SERVICE: t.gettext(
            "The service %(example)s belongs to no system of the flow: list it under the system that it is part of.",
            **words,
        ),
        AdviceKind.ORDER_ID: t.gettext(
            "%(share)s of the spans belong to no order, most often from “%(example)s”: name the order on that span.",
            **words,
        ),
        AdviceKind.STATUS: t.gettext(
            "%(system)s brings about statuses and says none: set the status where it is reached.", **words
        ),
        AdviceKind.MESSAGE_ID: t.gettext(
            "%(share)s of the messages carry no message id: with one, each can be followed by itself.", **words
        ),
        AdviceKind.STACK: t.gettext(
            "%(share)s of the errors come without a stack: record the exception where it is caught.", **words
        ),
        AdviceKind.LOGS: t.gettext(
            "%(system)s sends no log records: their texts often name the order that spans do not.", **words
        ),
        AdviceKind.CLOCK: t.gettext(
            "The clock of %(system)s is %(example)s s off: times are corrected here, but keep it in step.", **words
        ),
        AdviceKind.WATCH_BROKER: t.gettext(
            "%(system)s sends nothing itself: it is seen as soon as ordertrace watches the broker.", **words
        ),
        AdviceKind.MAP_MESSAGES: t.gettext(
            "In %(share)s of the messages of %(system)s no rule finds an order: say where its number stands.", **words
        ),
    }
    return sentences[advice.kind]


def change_place(advice: Advice, language: str) -> str:
    """Where the lines of an advice go; '' where it has none."""
    t = get_translator(language)
    places = {
        "code": t.gettext("in the code, or from baggage"),
        "environment": t.gettext("in the environment of the program"),
        "settings": t.gettext("in ordertrace.toml"),
        "shell": t.gettext("on its machine"),
    }
    if advice.change_in == "code" and len(advice.change) == 1:
        return t.gettext("in the code")
    return places.get(advice.change_in, "")


def share_words(share: float, language: str) -> str:
    """A share as a percentage that never rounds to all or nothing."""
    percent = share * 100
    shown = min(99.0, max(1.0, round(percent))) if 0 < percent < 100 else percent
    return number_words(shown, language) + "\N{NO-BREAK SPACE}%"
