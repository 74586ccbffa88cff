"""What a request asks for: language, filter, fragment. Wrong parameters raise Invalid with what is wrong."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, unquote, urlencode

from babel.core import negotiate_locale
from starlette.requests import Request
from starlette.responses import Response

from ..errors import Invalid
from ..model.message import MessageFilter, MessageState, Verdict
from ..model.order import DeviationKind, OrderFilter, OrderState
from ..texts import LANGUAGES
from .views_board import SORTS

COOKIE = "ordertrace_language"
NAME_COOKIE = "ordertrace_name"
NAME_SECONDS = 31_536_000
TEXT_MAX = 200
ROWS = 50
ROWS_MAX = 200
QUEUE_NAME_MAX = 255
FORM_BYTES_MAX = 32_768
_LANGUAGE_NAMES = {"ru": "Русский", "en": "English"}


def read_language(request: Request, default: str) -> str:
    """The language asked for in the address, else chosen before, else the browser's, else the company's."""
    for wanted in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if wanted in LANGUAGES:
            return wanted
    accepted = [_weighed(part) for part in request.headers.get("accept-language", "").split(",")[:20]]
    ordered = [name for weight, name in sorted(accepted, key=lambda a: -a[0]) if weight > 0 and name]
    return negotiate_locale([name.split("-")[0].lower() for name in ordered], LANGUAGES) or default


def language_links(request: Request) -> list[tuple[str, str, str]]:
    """Code, name and this page's address for every language."""
    kept = [(k, v) for k, v in request.query_params.multi_items() if k != "lang"]
    return [(code, _LANGUAGE_NAMES[code], f"?{urlencode([*kept, ('lang', code)])}") for code in LANGUAGES]


def read_filter(request: Request) -> OrderFilter:
    """The board's filter. Raises Invalid naming the parameter, its value and what would do."""
    state, sort = read_text(request, "state"), read_text(request, "sort") or "harm"
    if state and state not in list(OrderState):
        raise Invalid(f"state={state!r}: {', '.join(OrderState)}")
    if sort not in SORTS:
        raise Invalid(f"sort={sort!r}: {', '.join(SORTS)}")
    deviation = read_text(request, "deviation")
    if deviation and deviation not in (known := ["any", *DeviationKind]):
        raise Invalid(f"deviation={deviation!r}: {', '.join(known)}")
    limit = read_text(request, "limit") or str(ROWS)
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= ROWS_MAX:
        raise Invalid(f"limit={limit!r}: 1–{ROWS_MAX}")
    return OrderFilter(
        state=state,
        status=read_text(request, "status"),
        system=read_text(request, "system"),
        owner=read_text(request, "owner"),
        q=read_text(request, "q"),
        deviation=deviation,
        sort=sort,
        limit=int(limit),
        cursor=read_text(request, "cursor", 1000),
    )


def read_message_filter(request: Request) -> MessageFilter:
    """The filter of the list of messages. Raises Invalid naming the parameter, its value and what would do."""
    state, verdict = read_text(request, "state"), read_text(request, "verdict")
    if state and state not in list(MessageState):
        raise Invalid(f"state={state!r}: {', '.join(MessageState)}")
    if verdict and verdict not in list(Verdict):
        raise Invalid(f"verdict={verdict!r}: {', '.join(Verdict)}")
    return MessageFilter(
        state=state,
        verdict=verdict,
        queue=read_text(request, "queue", QUEUE_NAME_MAX),
        order=read_text(request, "order"),
        limit=ROWS,
        cursor=read_text(request, "cursor", 1000),
    )


def read_name(request: Request, characters_max: int) -> str:
    """The name that this person gave last."""
    return unquote(request.cookies.get(NAME_COOKIE, ""))[:characters_max]


def keep_name(response: Response, name: str, characters_max: int) -> None:
    """For the next time; there is no login yet."""
    kept = quote(name.strip()[:characters_max])
    response.set_cookie(NAME_COOKIE, kept, max_age=NAME_SECONDS, httponly=True, samesite="strict")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a plain form. Raises Invalid for a body that is none or too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Invalid("send the form as application/x-www-form-urlencoded")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES_MAX:
            raise Invalid(f"the form is larger than {FORM_BYTES_MAX} bytes")
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=10))
    except ValueError:
        raise Invalid("the form cannot be read") from None


def read_search(request: Request) -> str:
    """The number searched for, without the spaces and the № that come along when it is pasted."""
    return read_text(request, "q").lstrip("№#").strip()


def wants_fragment(request: Request) -> bool:
    """Does the page's own script ask for the part that changes?"""
    return request.headers.get("x-fragment") == "1"


def read_text(request: Request, name: str, characters_max: int = TEXT_MAX) -> str:
    """A parameter without the spaces around it, '' where it is absent. Raises Invalid for one that is too long or not text."""
    value = request.query_params.get(name, "").strip()
    if len(value) > characters_max:
        raise Invalid(f"{name}: {len(value)} > {characters_max}")
    if any(ord(character) < 32 for character in value):
        raise Invalid(f"{name}={value!r}")
    return value


def _weighed(part: str) -> tuple[float, str]:
    name, _, weight = part.strip().partition(";q=")
    try:
        return float(weight or 1), name
    except ValueError:
        return 0.0, name
