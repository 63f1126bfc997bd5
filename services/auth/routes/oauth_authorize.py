"""Where people sign in and decide what an application may do: pages, a cookie, and redirects."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from aiohttp import hdrs

from services.auth.commands import oauth_authorize as commands
from services.auth.commands.oauth_authorize import Asked
from services.auth.commands.oauth_clients import known_client
from services.auth.commands.passwords import Guess, check_password
from services.auth.domain.oauth import OAuthError, is_state, origin_of, with_parameters
from services.auth.domain.people import Person
from services.auth.forms import Forms
from services.auth.hashing import Hasher
from services.auth.pages.oauth import Place, consent_page, problem_page, sign_in_page
from services.auth.routes.oauth_failures import AS_PAGE, HTML, NO_STORE, code_of, shown
from services.auth.schemas import oauth as schemas
from services.auth.store.oauth_clients import Client
from shared.database import Connection
from shared.errors import AccessDenied, InvalidData, RateLimited, Refusal, Unavailable
from shared.http import Answer, Call, Raw, operation
from shared.identity import PUBLIC

INVALID = "The application sent you here with a request that cannot be answered"
TAG = "OAuth"
WRONG = "This name and password do not belong to an account that can use this application."
NOT_OURS = "This form did not come from the page that this browser was shown last. Nothing was changed."
NOTHING_TO_GIVE = "The person has none of the rights that the application asks for"
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser in front of us: for which application, with which request, with which cookie."""

    call: Call
    client: Client
    query: Mapping[str, str]
    asked: Asked
    cookie: str | None

    def place(self, cookie: str, **changes: str) -> Place:
        token = self.call.context.get(Forms).token(cookie, self.bound(**changes))
        return Place(self.address(**changes), token)

    def bound(self, **changes: str) -> dict[str, str]:
        """What a form decides about: the request, and the name and addresses of the application that it told."""
        return {**self.query, **changes, "consent_version": str(self.client.consent_version)}

    def address(self, **changes: str) -> str:
        """The same request again, by its path."""
        path = urlsplit(self.call.context.settings.public_url).path
        return f"{path}/oauth/authorize?{urlencode({**self.query, **changes})}"

    async def person(self, tx: Connection) -> Person | None:
        return await commands.signed_in(tx, self.cookie, self.call.context.clock())


Step = Callable[[Visit], Awaitable[Answer]]


@operation(
    summary="Sign in, and allow an application what it asks for",
    description=(
        "For a browser. An unknown client_id or redirect_uri is told on a page; every other error, and the code, goes"
        " to the redirect_uri with state and iss."
    ),
    permission=PUBLIC,
    query=schemas.AUTHORIZE_QUERY,
    answers={200: None, 303: None},
    refuses=(RateLimited,),
    invalid=INVALID,
    tag=TAG,
    enveloped=False,
    media_type="text/html",
    failures=AS_PAGE,
)
async def authorize(call: Call) -> Answer:
    return await _answered(call, _shown)


@operation(
    summary="The forms of the page: name and password, or the decision",
    permission=PUBLIC,
    query=schemas.AUTHORIZE_QUERY,
    body=schemas.AUTHORIZE_FORM,
    form=True,
    answers={200: None, 303: None},
    refuses=(AccessDenied, RateLimited),
    invalid=INVALID,
    tag=TAG,
    enveloped=False,
    idempotent=False,
    media_type="text/html",
    failures=AS_PAGE,
    during_maintenance=True,
)
async def decide(call: Call) -> Answer:
    return await _answered(call, _decided)


async def _answered(call: Call, step: Step) -> Answer:
    """Takes a step for a request whose application and address are known; tells what is wrong there."""
    query = {name: value for name, value in call.query.items() if value}
    client = await known_client(call.context.database, query.get("client_id"))
    if client is None:
        raise InvalidData(INVALID, fields={"client_id": "No such application."})
    if query.get("redirect_uri") not in client.redirect_uris:
        raise InvalidData(INVALID, fields={"redirect_uri": "Is not an address that the application has registered."})
    call.org_id = client.org_id
    try:
        return await step(Visit(call, client, query, commands.asked_of(client, query), _cookie(call)))
    except OAuthError as error:
        return _refused(call, query, error)


async def _shown(visit: Visit) -> Answer:
    async with visit.call.read() as tx:
        person = await visit.person(tx)
        allowed = person is not None and await commands.is_allowed(tx, visit.client, person, visit.asked)
    if person is None or visit.cookie is None:
        return _sign_in(visit)
    if allowed and visit.call.request.method != hdrs.METH_HEAD:
        return await visit.call.write(lambda tx: _given_again(visit, tx))
    return _consent(visit, person, visit.cookie)


def _consent(visit: Visit, person: Person, cookie: str) -> Answer:
    offered = _offered(visit, person)
    return shown(
        consent_page(
            visit.place(cookie, scope=" ".join(sorted(offered))),
            visit.client.name,
            person.email,
            offered,
            urlsplit(visit.asked.redirect_uri).netloc,
        ),
        *_targets(visit),
    )


async def _decided(visit: Visit) -> Answer:
    call = visit.call
    fits = call.context.get(Forms).fits(visit.cookie, visit.bound(), call.body.get("csrf_token"))
    if not fits or not _is_from_here(call):
        return shown(problem_page(NOT_OURS, visit.address()), "'self'", status=403)
    decision = call.body.get("decision")
    if decision is None:
        return await _signed_in(visit)
    if decision == "deny":
        raise OAuthError("access_denied", "The person did not allow it")
    return await call.write(lambda tx: _given(visit, tx) if decision == "allow" else _switched(visit, tx))


async def _given_again(visit: Visit, tx: Connection) -> Answer:
    """The code for what was allowed before; whoever has ended that meanwhile is asked."""
    person = await visit.person(tx)
    if person is None or visit.cookie is None:
        return _to(visit.address())
    if not await commands.is_allowed(tx, visit.client, person, visit.asked, locked=True):
        return _consent(visit, person, visit.cookie)
    return await _code_for(visit, tx, person)


async def _given(visit: Visit, tx: Connection) -> Answer:
    """The code for what is allowed; whoever is no longer signed in is asked again."""
    person = await visit.person(tx)
    return _to(visit.address()) if person is None else await _code_for(visit, tx, person)


async def _code_for(visit: Visit, tx: Connection, person: Person) -> Answer:
    _offered(visit, person)
    code = await commands.allow(tx, visit.client, person, visit.asked, visit.call.context.clock())
    return _back(visit.call, visit.asked.redirect_uri, visit.asked.state, {"code": code})


async def _switched(visit: Visit, tx: Connection) -> Answer:
    if visit.cookie is not None:
        await commands.sign_out(tx, visit.cookie)
    return _to(visit.address(), _set_cookie(visit.call, commands.new_cookie()))


async def _signed_in(visit: Visit) -> Answer:
    call, context = visit.call, visit.call.context
    guess = Guess(call.body.get("username", ""), call.body.get("password", ""), call.address)
    try:
        found = await check_password(context.database, context.get(Hasher), context.clock, guess)
    except (RateLimited, Unavailable) as refusal:
        return _sign_in(visit, refusal)
    if found is None or found.person.org_id != visit.client.org_id:
        return _sign_in(visit, InvalidData(WRONG))

    async def effect(tx: Connection) -> Answer:
        cookie = await commands.sign_in(tx, found.person, context.clock())
        return _to(visit.address(), _set_cookie(call, cookie))

    return await call.write(effect)


def _sign_in(visit: Visit, wrong: Refusal | None = None) -> Answer:
    """The page for name and password, with a cookie for its form if there is none yet."""
    cookie = visit.cookie or commands.new_cookie()
    username = visit.call.body.get("username", "")
    page = sign_in_page(visit.place(cookie), visit.client.name, username, wrong.message if wrong else None)
    headers = {} if visit.cookie else _set_cookie(visit.call, cookie)
    if wrong is None:
        return shown(page, *_targets(visit), headers=headers)
    return shown(page, *_targets(visit), status=wrong.status, headers={**headers, **wrong.headers})


def _offered(visit: Visit, person: Person) -> frozenset[str]:
    offered = visit.asked.offered_by(person)
    if not offered:
        raise OAuthError("access_denied", NOTHING_TO_GIVE)
    return offered


def _targets(visit: Visit) -> tuple[str, str]:
    """Where a form may lead: here, and where a redirect goes on to."""
    return "'self'", origin_of(visit.asked.redirect_uri)


def _refused(call: Call, query: Mapping[str, str], error: OAuthError) -> Answer:
    state = query.get("state")
    told = {"error": code_of(error), "error_description": error.message}
    return _back(call, query["redirect_uri"], state if state and is_state(state) else None, told)


def _back(call: Call, redirect_uri: str, state: str | None, answer: Mapping[str, str]) -> Answer:
    """The answer to the application, with what it sent along and who we are (RFC 9207)."""
    returned = {} if state is None else {"state": state}
    return _to(with_parameters(redirect_uri, {**answer, **returned, "iss": call.context.settings.public_url}))


def _to(address: str, headers: Mapping[str, str] | None = None) -> Answer:
    """303, so that no form is sent on (RFC 9700)."""
    location = {"Location": address, **NO_STORE, **(headers or {})}
    return Answer(303, Raw(""), headers=location, enveloped=False, content_type=HTML)


def _is_from_here(call: Call) -> bool:
    """What browsers say of a form's origin; they say null where the page tells nobody its address."""
    headers = call.request.headers
    if "Sec-Fetch-Site" in headers:
        return headers["Sec-Fetch-Site"] == "same-origin"
    return headers.get("Origin", "null") in {"null", origin_of(call.context.settings.public_url)}


def _is_secure(call: Call) -> bool:
    return call.context.settings.public_url.startswith("https://")


def _cookie_name(call: Call) -> str:
    return "__Host-peerly_sign_in" if _is_secure(call) else "peerly_sign_in"


def _cookie(call: Call) -> str | None:
    value = call.request.cookies.get(_cookie_name(call), "")
    return value if _COOKIE.fullmatch(value) else None


def _set_cookie(call: Call, value: str) -> dict[str, str]:
    secure = "; Secure" if _is_secure(call) else ""
    return {"Set-Cookie": f"{_cookie_name(call)}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"}
