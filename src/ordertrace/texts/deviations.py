"""Where an order left its flow, in a sentence and in two words."""

from __future__ import annotations

from ..model.flow import Flow
from ..model.order import Deviation, DeviationKind
from .translator import N_, get_translator
from .words import status_reached, system_title

_TITLES = {
    DeviationKind.SKIPPED: N_("step skipped"),
    DeviationKind.REPEATED: N_("step repeated"),
    DeviationKind.BACK: N_("gone back"),
    DeviationKind.ILLEGAL: N_("not allowed by the flow"),
}


def deviation_sentence(deviation: Deviation, flow: Flow, language: str) -> str:
    """What happened that the flow does not know."""
    t = get_translator(language)
    words = {
        "status": status_reached(deviation.status, language),
        "previous": status_reached(deviation.previous, language),
        "system": system_title(flow.system(deviation.system), language),
    }
    if deviation.kind is DeviationKind.SKIPPED:
        return t.gettext("“%(status)s” was skipped after “%(previous)s”: %(system)s never showed it.", **words)
    if deviation.kind is DeviationKind.REPEATED:
        return t.gettext("“%(status)s” happened again: %(system)s brought it about more than once.", **words)
    if deviation.kind is DeviationKind.BACK and flow.is_end(deviation.previous):
        return t.gettext("The order went on after “%(previous)s”: %(system)s showed “%(status)s”.", **words)
    if deviation.kind is DeviationKind.BACK:
        return t.gettext("The order went back: %(system)s showed “%(status)s” after “%(previous)s”.", **words)
    return t.gettext("The flow knows no way from “%(previous)s” to “%(status)s” (%(system)s).", **words)


def deviation_title(kind: DeviationKind, language: str) -> str:
    """The kind of deviation in two words."""
    return get_translator(language).gettext(_TITLES[kind])
