"""Errors as OAuth clients read them, and as people do."""

from __future__ import annotations

import re

from services.auth.domain.oauth import OAuthError
from services.auth.pages.markup import Markup, policy
from services.auth.pages.oauth import problem_page
from services.auth.schemas.oauth import OAUTH_PROBLEM
from shared.errors import InternalError, RateLimited, Refusal, Unavailable, UnsupportedMediaType
from shared.http import Answer, Failures, Raw

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
HTML = "text/html; charset=utf-8"
_NOT_IN_DESCRIPTIONS = re.compile(r"[^ !#-\[\]-~]")


def problem(refusal: Refusal) -> Answer:
    """RFC 6749, section 5.2."""
    status = 400 if isinstance(refusal, UnsupportedMediaType) else refusal.status
    wrong = " ".join(f"{name}: {why}" for name, why in refusal.fields.items())
    description = _NOT_IN_DESCRIPTIONS.sub("'", f"{refusal.message}. {wrong}" if wrong else refusal.message)
    document = {"error": code_of(refusal), "error_description": description}
    return Answer(status, document, headers={**refusal.headers, **NO_STORE}, enveloped=False)


def code_of(refusal: Refusal) -> str:
    """The error code for anything that is refused."""
    if isinstance(refusal, OAuthError):
        return refusal.code
    if isinstance(refusal, InternalError):
        return "server_error"
    return "temporarily_unavailable" if isinstance(refusal, Unavailable | RateLimited) else "invalid_request"


def shown(markup: Markup, *form_actions: str, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """A page for a person, which nobody keeps, frames or runs anything in."""
    strict = {"Content-Security-Policy": policy(*form_actions), "X-Frame-Options": "DENY", **NO_STORE}
    return Answer(status, Raw(markup), headers={**(headers or {}), **strict}, enveloped=False, content_type=HTML)


def problem_shown(refusal: Refusal) -> Answer:
    """The same as a page."""
    wrong = "; ".join(f"{name}: {why}" for name, why in refusal.fields.items())
    text = f"{refusal.message} ({wrong})" if wrong else refusal.message
    return shown(problem_page(text), status=refusal.status, headers=refusal.headers)


AS_OAUTH = Failures(problem, schema=OAUTH_PROBLEM)
AS_PAGE = Failures(problem_shown, media_type="text/html")
