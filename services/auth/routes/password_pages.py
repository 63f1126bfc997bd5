"""The page behind a one-time link, for whoever opens it in a browser."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from services.auth import schemas
from services.auth.pages.passwords import password_is_set_page, password_page
from services.auth.routes.oauth_failures import AS_PAGE, shown
from services.auth.routes.passwords import require_link, set_password_with_link
from shared.errors import InvalidData, RateLimited, Unavailable
from shared.http import Answer, Call, operation
from shared.identity import PUBLIC

INVALID = "This link cannot be used"
DIFFERENT = "The two are not the same."


@operation(
    summary="The page on which a person sets a local password with a one-time link",
    permission=PUBLIC,
    answers={200: None},
    refuses=(InvalidData, RateLimited, Unavailable),
    invalid=INVALID,
    tag="Passwords",
    enveloped=False,
    media_type="text/html",
    failures=AS_PAGE,
)
async def show_password_page(call: Call) -> Answer:
    await require_link(call)
    return shown(password_page(_action(call)), "'self'")


@operation(
    summary="Set a local password from that page",
    permission=PUBLIC,
    body=schemas.PASSWORD_FORM,
    form=True,
    answers={200: None},
    refuses=(InvalidData, RateLimited, Unavailable),
    invalid=INVALID,
    tag="Passwords",
    idempotent=False,
    enveloped=False,
    media_type="text/html",
    failures=AS_PAGE,
)
async def send_password_page(call: Call) -> Answer:
    if call.body["password"] != call.body["again"]:
        return await _again(call, DIFFERENT)
    try:
        await set_password_with_link(call, call.body["password"])
    except InvalidData as refusal:
        if "password" not in refusal.fields:
            raise
        return await _again(call, refusal.fields["password"])
    return shown(password_is_set_page())


async def _again(call: Call, wrong: str) -> Answer:
    await require_link(call)
    return shown(password_page(_action(call), wrong), "'self'", status=400)


def _action(call: Call) -> str:
    path = urlsplit(call.context.settings.public_url).path
    return f"{path}/password-resets/{quote(call.words['token'], safe='')}/form"
