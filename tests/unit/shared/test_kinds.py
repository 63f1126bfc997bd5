"""Personal tokens, API keys and access tokens: what they may do, what ends them, and that none passes for another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from shared.clock import utc_now
from shared.errors import InvalidToken
from shared.identity import Verifier
from shared.identity.claims import ACCESS_TOKEN, API_KEY, PERSONAL_TOKEN, SESSION, TYPES
from shared.identity.verifier import Revocation
from tests.support.tokens import EXPECTED, ISSUER, OAUTH_ISSUER, Signer, claims

SIGNER = Signer()
NARROWED = (PERSONAL_TOKEN, API_KEY, ACCESS_TOKEN)


def verifier() -> Verifier:
    made = Verifier(EXPECTED, utc_now)
    made.use_keys([SIGNER.public])
    return made


@pytest.mark.parametrize("kind", NARROWED)
def test_it_may_what_both_its_owner_and_its_scopes_allow(kind: str) -> None:
    principal = verifier().verify(SIGNER.narrowed(kind, "view:recognition manage:user no:such"))
    assert principal.permissions == {"view:recognition"}
    assert (principal.kind, principal.client_id, principal.actor) == (kind, "key:1", "client:key:1:7")


@pytest.mark.parametrize("kind", NARROWED)
def test_without_scopes_it_may_nothing(kind: str) -> None:
    assert verifier().verify(SIGNER.narrowed(kind, "")).permissions == frozenset()


MISMATCHED: dict[str, Callable[[], str]] = {
    "session with a scope": partial(SIGNER.sign, {**claims(), "scope": "", "client_id": "x"}, typ="JWT"),
    **{f"{kind} without a scope": partial(SIGNER.sign, claims(), typ=TYPES[kind]) for kind in NARROWED},
    **{
        f"{kind} with the claims of {other}": partial(SIGNER.narrowed, kind, "", iss=EXPECTED.issuer_of(other))
        for kind in NARROWED
        for other in (SESSION, ACCESS_TOKEN)
        if EXPECTED.issuer_of(kind) != EXPECTED.issuer_of(other)
    },
    "scope that is a list": partial(SIGNER.narrowed, API_KEY, ["view:recognition"]),
    "client that is a number": partial(SIGNER.narrowed, API_KEY, "", client_id=7),
    "client without a name": partial(SIGNER.narrowed, API_KEY, "", client_id=""),
    "client with an endless name": partial(SIGNER.narrowed, API_KEY, "", client_id="x" * 201),
    "unknown kind": partial(SIGNER.sign, claims(), typ="refresh+jwt"),
    "kind in other letters": partial(SIGNER.sign, claims(), typ="jwt"),
}


def test_the_two_issuers_differ() -> None:
    assert ISSUER != OAUTH_ISSUER


@pytest.mark.parametrize("made", MISMATCHED.values(), ids=MISMATCHED.keys())
def test_one_kind_does_not_pass_for_another(made: Callable[[], str]) -> None:
    with pytest.raises(InvalidToken):
        verifier().verify(made())


@pytest.mark.parametrize("kind", NARROWED)
def test_revoking_a_client_ends_everything_it_holds(kind: str) -> None:
    judge, token, other = verifier(), SIGNER.narrowed(kind, ""), SIGNER.narrowed(kind, "", client_id="key:2")
    judge.note([Revocation("client:key:1", None, lifted=False)])
    with pytest.raises(InvalidToken):
        judge.verify(token)
    assert judge.verify(other).client_id == "key:2"


@pytest.mark.parametrize("kind", [*NARROWED, SESSION])
def test_api_keys_alone_outlive_their_makers_generation(kind: str) -> None:
    judge = verifier()
    judge.note([Revocation("user:7", 2, lifted=False)])
    token = SIGNER.sign(claims(), typ="JWT") if kind == SESSION else SIGNER.narrowed(kind, "")
    if kind == API_KEY:
        assert judge.verify(token).user_id == 7
    else:
        with pytest.raises(InvalidToken):
            judge.verify(token)


def test_a_revocation_holds_from_its_moment_on() -> None:
    now = [datetime(2026, 6, 1, tzinfo=UTC)]
    judge = Verifier(EXPECTED, lambda: now[0])
    judge.use_keys([SIGNER.public])
    began = int(now[0].timestamp())
    token = SIGNER.sign(claims(now=began), typ="JWT")
    judge.note([Revocation(f"jti:{claims(now=began)['jti']}", None, lifted=False, effective_at=began + 60)])
    assert judge.verify(token).user_id == 7
    now[0] = datetime(2026, 6, 1, 0, 1, tzinfo=UTC)
    with pytest.raises(InvalidToken):
        judge.verify(token)
