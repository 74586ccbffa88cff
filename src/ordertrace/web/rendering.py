"""Templates to responses: one Jinja environment a language, security headers, static files with lasting addresses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from ..texts import get_translator

HERE = Path(__file__).parent
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@cache
def static_content(name: str) -> tuple[bytes, str, str]:
    """Content, media type and version of a static file. Raises KeyError for anything that is not one of ours."""
    if name not in {path.name for path in (HERE / "static").iterdir()}:
        raise KeyError(name)
    content = (HERE / "static" / name).read_bytes()
    return content, _TYPES[Path(name).suffix], sha256(content).hexdigest()[:12]


def static_url(name: str) -> str:
    """The address of a static file; it changes with the content, so that browsers may keep it for ever."""
    return f"/static/{name}?v={static_content(name)[2]}"


@cache
def environment(language: str) -> Environment:
    """Templates in one language: every value escaped, every missing name an error."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    t = get_translator(language)
    env.install_gettext_callables(t.gettext, t.ngettext, newstyle=True)  # type: ignore[attr-defined]
    env.globals["static"] = static_url
    return env


def render(name: str, language: str, values: Mapping[str, object], status: int = 200) -> Response:
    """A page. Pages tell of orders at a moment, so nothing keeps them."""
    text = environment(language).get_template(name).render(values)
    headers = SECURITY_HEADERS | {
        "Cache-Control": "no-store",
        "Content-Language": language,
        "Vary": "Accept-Language, Cookie, X-Fragment",
    }
    return Response(text, status, headers, media_type="text/html")
