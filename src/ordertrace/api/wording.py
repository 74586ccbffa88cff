"""A dependency of routes: how to word the answer for whoever asks, as of now."""

# Annotations are values here, not strings: FastAPI reads them.
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Header, Response

from ..model.flow import Flow
from ..settings import Settings
from .language import choose_language
from .message_models import Wording

NO_CONTROL = r"^[^\x00-\x1f\x7f-\x9f]*$"


def wording_for(flow: Flow, settings: Settings) -> Callable[..., Wording]:
    """Gives each request its `Wording`, and its answer the headers that say so."""

    def words(response: Response, accept_language: Annotated[str, Header()] = "") -> Wording:
        language = choose_language(accept_language, settings.company.language)
        response.headers["Content-Language"] = language
        response.headers["Vary"] = "Accept-Language"
        return Wording(flow, language, datetime.now(UTC))

    return words
