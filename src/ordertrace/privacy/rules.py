"""Privacy rules as SQL expressions, so that what must not be kept never becomes a row. Pure text; nothing is run here.

What can be told from a value (an e-mail address, a phone or card number) is replaced by a mark wherever it stands.
What cannot (a customer's name) is dropped by its attribute's key. Patterns are in the syntax that RE2 and the
engine's search for many patterns at once share.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..settings.sections import PrivacySettings

_WIDE = "\u00a0\u2011"  # the space and the hyphen that do not break a line
# What people and URLs put between the digits of a phone number.
_GAP = rf"(?:[ ().\-+{_WIDE}]|%20|%28|%29|%2D|%C2%A0){{0,3}}"
# What may stand before a bare number: not a letter, digit, decimal point or hyphen, which would make it part of an id.
_BEFORE = r"(^|[^0-9A-Za-z.%\-]|%[0-9A-Fa-f]{2})"

# Letters beyond ASCII by their ranges: the classes \pL and \pN take the engine ten times as long to prepare.
_LETTERS = r"A-Za-z\x{C0}-\x{1FFF}\x{3040}-\x{FFEF}"
_EMAIL = (
    rf"(?:[0-9{_LETTERS}._+\-]|%2[Bb])*[0-9{_LETTERS}_+\-](?:@|%40)"
    rf"(?:[0-9{_LETTERS}\-]+\.)+(?:[{_LETTERS}]{{2,}}|xn--[0-9A-Za-z\-]+)"
)
# + and 10 to 15 digits.
_PHONE = rf"(?:\+|%2[Bb]){_GAP}[1-9](?:{_GAP}[0-9]){{9,14}}\b"
# 8 or 7 and (9xx), as Russian mobile phones are written inside the country.
_PHONE_RUSSIAN = rf"{_BEFORE}[78]{_GAP}9[0-9]{{2}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{2}}{_GAP}[0-9]{{2}}\b"
# Four groups of four, and three more in long ones; fifteen digits for American Express. The check digit decides.
_CARD_GAP = rf"(?:[ \-+{_WIDE}]|%20|%C2%A0)"
_CARD = (
    rf"(?:[2-6][0-9]{{3}}(?:{_CARD_GAP}?[0-9]{{4}}){{3}}(?:{_CARD_GAP}[0-9]{{3}})?"
    rf"|3[47][0-9]{{2}}{_CARD_GAP}?[0-9]{{6}}{_CARD_GAP}?[0-9]{{5}})"
)
_CARD_BOUNDED = rf"(?:^|[^0-9A-Za-z.%]|%[0-9A-Fa-f]{{2}}){_CARD}\b"
# What every text that these patterns match also matches. The search for many patterns at once refuses counted repetition,
# and a false alarm costs only the exact look.
_GAPS = rf"(?:[ ().\-+{_WIDE}]|%20|%28|%29|%2D|%C2%A0)*"
_SUSPECTS = {
    "email": (r"(?:@|%40)[^ @]*\.",),
    "phone": (
        r"(?:\+|%2[Bb])" + _GAPS + "[1-9]" + (_GAPS + "[0-9]") * 6,
        r"(?:^|[^0-9A-Za-z.%\-]|%[0-9A-Fa-f][0-9A-Fa-f])[78]" + _GAPS + "9[0-9][0-9]" + (_GAPS + "[0-9]") * 3,
    ),
    "card": (
        "[2-6][0-9][0-9][0-9]" + (_CARD_GAP + "?[0-9][0-9][0-9][0-9]") * 2,
        "3[47][0-9][0-9]" + _CARD_GAP + "?[0-9][0-9][0-9][0-9][0-9][0-9]" + _CARD_GAP + "?[0-9]",
    ),
}
# Beyond so many card-like numbers in one value their check digits are not looked at: all are replaced.
_CARDS_CHECKED_MAX = 50


@dataclass(frozen=True, slots=True)
class ScrubRules:
    """SQL expressions; each is put into a lambda that names its argument as said here.

    `drops` is true for an attribute name `key` that must not be kept; `suspects` is true where a text `value` may hold
    what a pattern forbids, and cheap; `scrubs` are the texts with marks in place of it, to be applied to `value` one
    after another, each in a lambda of its own (an expression inside an expression would be analysed many times over).
    """

    drops: str
    suspects: str
    scrubs: tuple[str, ...]

    def scrub_all(self, values: str) -> str:
        """The SQL array `values` with marks in place of what must not be kept."""
        for scrub in self.scrubs:
            values = f"arrayMap(value -> {scrub}, {values})"
        return values


def build_rules(settings: PrivacySettings) -> ScrubRules:
    """The expressions for these settings."""
    patterns = [pattern for name, some in _SUSPECTS.items() if name in settings.patterns for pattern in some]
    return ScrubRules(
        drops=_drops(settings),
        suspects=f"multiMatchAny(value, {sql_array(patterns)})" if patterns else "0",
        scrubs=tuple(scrub for name, scrub in _SCRUBS if name in settings.patterns),
    )


def drop_pattern(settings: PrivacySettings) -> str:
    """A pattern for attribute names to drop: any of `drop_keys`, whole or as the last part after a dot, in any case."""
    names = "|".join(_quoted_for_re2(key) for key in settings.drop_keys)
    return rf"(?i)^(?:.*\.)?(?:{names})$"


def sql_string(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def sql_array(texts: Sequence[str]) -> str:
    """A SQL literal of an array of strings."""
    return "[" + ", ".join(sql_string(text) for text in texts) + "]"


def _drops(settings: PrivacySettings) -> str:
    """As `drop_pattern` says, by comparing last parts: the engine does so once a distinct name, a pattern once a value."""
    ends: dict[int, list[str]] = {}
    for key in settings.drop_keys:
        ends.setdefault(key.count(".") + 1, []).append(key.lower())
    if not ends:
        return "0"
    dropped = " OR ".join(
        f"substringIndex(lower(key), '.', -{parts}) IN {sql_array(some)}" for parts, some in ends.items()
    )
    if not settings.keep_keys:
        return f"({dropped})"
    return f"(({dropped}) AND lower(key) NOT IN {sql_array(tuple(key.lower() for key in settings.keep_keys))})"


def _without_cards() -> str:
    """Replaces the card-like numbers whose check digit is right (Luhn)."""
    digits = "arrayReverse(extractAll(replaceAll(replaceAll(number, '%20', ''), '%C2%A0', ''), '[0-9]'))"
    value = "toUInt8(digit) * (2 - place % 2) - 9 * (place % 2 = 0 AND digit > '4')"
    total = f"arraySum((digit, place) -> {value}, digits, arrayEnumerate(digits))"
    luhn = f"arrayMap(digits -> {total}, [{digits}])[1]"
    checked = (
        f"arrayFold((text, number) -> if({luhn} % 10 = 0, replaceAll(text, number, '[card]'), text), numbers, value)"
    )
    card = sql_string(_CARD)
    either = f"if(length(numbers) > {_CARDS_CHECKED_MAX}, replaceRegexpAll(value, {card}, '[card]'), {checked})"
    replaced = f"arrayMap(numbers -> {either}, [arrayDistinct(extractAll(value, {card}))])[1]"
    return f"if(match(value, {sql_string(_CARD_BOUNDED)}), {replaced}, value)"


def _quoted_for_re2(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z_]", lambda found: "\\" + found[0], text)


_SCRUBS = (
    ("email", f"replaceRegexpAll(value, {sql_string(_EMAIL)}, '[email]')"),
    ("phone", f"replaceRegexpAll(value, {sql_string(_PHONE)}, '[phone]')"),
    ("phone", f"replaceRegexpAll(value, {sql_string(_PHONE_RUSSIAN)}, '\\\\1[phone]')"),
    ("card", _without_cards()),
)
