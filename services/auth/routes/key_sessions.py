"""Signing in with an API key, a user name and a password: the rights of both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.auth.commands import passwords
from services.auth.commands.passwords import Guess, SignedIn
from services.auth.hashing import Hasher
from services.auth.schemas import credentials as schemas
from services.auth.tokens import Narrowing, Owner, Signed, Signer
from shared.errors import InvalidToken, RateLimited, Unavailable
from shared.http import Answer, Call, operation
from shared.http.headers import sole_header
from shared.identity import PUBLIC, Principal
from shared.identity.claims import ACCESS_TOKEN, API_KEY

KEY_SESSION = timedelta(minutes=60)


@operation(
    summary="Sign in with an API key, a user name and a password",
    description=(
        "The key comes in the header `X-Api-Key`. The token may do what both the user and the key may, for 60 minutes"
        " or until the key ends. A wrong key, name or password get the same answer."
    ),
    permission=PUBLIC,
    body=schemas.SIGN_IN_BY_KEY,
    answers={200: schemas.KEY_SESSION},
    refuses=(InvalidToken, RateLimited, Unavailable),
    invalid="Invalid sign-in data",
    tag="Sessions",
    enveloped=False,
    idempotent=False,
    during_maintenance=True,
)
async def sign_in_with_key(call: Call) -> Answer:
    context = call.context
    guess = Guess(call.body["user_name"], call.body["password"], call.address)
    found = await passwords.check_password(context.database, context.get(Hasher), context.clock, guess)
    key, narrowing = _presented(call)
    if found is None or found.person.org_id != key.org_id:
        raise InvalidToken
    context.usage.note(key)
    now = context.clock()
    until = min(now + KEY_SESSION, datetime.fromtimestamp(key.expires_at, UTC))
    signed = await _sign(call, found, narrowing, until)
    minutes = (signed.expires_at - int(now.timestamp())) // 60
    body = {"token": signed.token, "tokenType": "Bearer", "expiresIn": max(0, minutes)}
    return Answer(200, body, enveloped=False)


def _presented(call: Call) -> tuple[Principal, Narrowing]:
    """The key, and what it leaves of a person's rights. Raises `InvalidToken` for every other kind of credential.

    A publishable key is no secret, and so proves nothing here.
    """
    key = call.context.verifier.verify(sole_header(call.request.headers, "X-Api-Key"))
    if key.kind != API_KEY or key.client_id is None or key.origins is not None:
        raise InvalidToken
    return key, Narrowing(ACCESS_TOKEN, key.permissions, key.client_id)


async def _sign(call: Call, found: SignedIn, narrowing: Narrowing, until: datetime) -> Signed:
    person = found.person
    owner = Owner(person.id, person.org_id, found.organisation.name, int(person.role), person.generation)
    async with call.context.database.transaction(person.org_id, request_id=call.request_id) as tx:
        return await call.context.get(Signer).begin_narrowed(tx, owner, narrowing, until)
