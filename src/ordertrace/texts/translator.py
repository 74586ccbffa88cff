"""Message catalogues: `.po` files read at first use and compiled in memory, so that no build step is needed.

English is the language of the source strings; what a catalogue does not know comes out in English.
"""

from __future__ import annotations

import gettext as gnu
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = ("ru", "en")
_LOCALE = Path(__file__).parent / "locale"


class Translator:
    """gettext for one language, with named placeholders filled in: `t.gettext("%(n)s left", n="9 min")`."""

    def __init__(self, language: str, catalogue: gnu.NullTranslations) -> None:
        self.language = language
        self._catalogue = catalogue

    def gettext(self, message: str, **values: object) -> str:
        return _fill(self._catalogue.gettext(message) if message else "", values)

    def ngettext(self, one: str, many: str, count: float, **values: object) -> str:
        """The plural form for `count`, which is also the placeholder `num`."""
        text = _fill(self._catalogue.ngettext(one, many, int(count)), {"num": count, **values})
        return text.replace(f"{count} ", f"{count}\N{NO-BREAK SPACE}", 1)


def N_(message: str) -> str:  # noqa: N802 (gettext's own name, found by the extractor)
    """Mark a string for translation without translating it yet."""
    return message


@cache
def get_translator(language: str) -> Translator:
    """The translator for `ru` or `en`; any other language is answered in English."""
    if language not in LANGUAGES:
        return get_translator("en")
    with (_LOCALE / language / "LC_MESSAGES" / "ordertrace.po").open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translator(language, gnu.GNUTranslations(compiled))


def _fill(text: str, values: dict[str, object]) -> str:
    return text % values if values else text
