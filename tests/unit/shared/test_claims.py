"""Every token that is not exactly ours is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest

from shared.errors import InvalidToken
from shared.identity import Role, Verifier
from shared.identity.claims import TYPES
from shared.identity.verifier import PublicKey, Revocation
from tests.support.forgery import Forger, wrong_algorithms, wrong_claims, wrong_headers, wrong_kinds
from tests.support.tokens import EXPECTED, Signer, claims

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
SIGNER = Signer()


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def verifier(clock: Clock | None = None) -> Verifier:
    made = Verifier(EXPECTED, clock or Clock())
    made.use_keys([SIGNER.public])
    return made


def valid() -> dict[str, Any]:
    return claims(now=EPOCH)


FORGER = Forger(SIGNER.private, SIGNER.kid, EXPECTED, valid)
FORGED = dict(
    chain(
        wrong_algorithms(FORGER),
        wrong_headers(FORGER, "http://127.0.0.1:1"),
        wrong_claims(FORGER),
        wrong_kinds(FORGER),
    )
)


def test_valid_token_names_its_owner() -> None:
    principal = verifier().verify(SIGNER.sign(valid()))
    assert (principal.user_id, principal.org_id, principal.role_id, principal.kind) == (7, 1, 3, "session")
    assert principal.may("create:hi5")
    assert not principal.may("review:recognition")


def test_super_admin_has_no_organisation() -> None:
    principal = verifier().verify(SIGNER.sign(claims(1, Role.SUPER_ADMIN, None, now=EPOCH)))
    assert principal.is_super_admin
    assert principal.org_id == 0


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_forged_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        verifier().verify(token)


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_forged_is_accepted_without_its_one_difference(kind: str) -> None:
    assert verifier().verify(FORGER.valid(kind)).kind == kind


@pytest.mark.parametrize("claims_at_the_edge", [{"exp": EPOCH - 29}, {"nbf": EPOCH + 30}, {"iat": EPOCH + 30}], ids=str)
def test_a_clock_may_be_half_a_minute_off(claims_at_the_edge: dict[str, int]) -> None:
    assert verifier().verify(FORGER.sign({**valid(), **claims_at_the_edge})).user_id == 7


BROKEN = {
    "empty": "",
    "one_dot": "a.b",
    "three_dots": "a.b.c.d",
    "not_base64": "!.!.!",
    "not_ascii": "\u00e9.\u00e9.\u00e9",
    "surrogate": "\ud800.a.b",
    "long": "a." * 2 + "b" * 10_000,
    "without_signature_or_dot": FORGER.signing_input(),
}


@pytest.mark.parametrize("token", BROKEN.values(), ids=BROKEN.keys())
def test_broken_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        verifier().verify(token)


def test_expiry_has_thirty_seconds_of_leeway_even_from_the_cache() -> None:
    clock = Clock()
    judge = verifier(clock)
    token = SIGNER.sign(valid())
    for seconds, accepted in ((0, True), (3629, True), (3630, False), (4000, False)):
        clock.now = NOW + timedelta(seconds=seconds)
        if accepted:
            assert judge.verify(token).user_id == 7
        else:
            with pytest.raises(InvalidToken):
                judge.verify(token)


REVOCATIONS = {
    "session": Revocation(f"jti:{valid()['jti']}", None, lifted=False),
    "generation": Revocation("user:7", 2, lifted=False),
    "organisation": Revocation("organisation:1", None, lifted=False),
}


@pytest.mark.parametrize("revocation", REVOCATIONS.values(), ids=REVOCATIONS.keys())
def test_revoked_token_is_refused_though_it_was_accepted_before(revocation: Revocation) -> None:
    judge = verifier()
    token = SIGNER.sign(valid())
    judge.verify(token)
    judge.note([revocation])
    with pytest.raises(InvalidToken):
        judge.verify(token)


def test_newer_generation_survives_the_revocation_of_older_ones() -> None:
    judge = verifier()
    judge.note([Revocation("user:7", 2, lifted=False)])
    assert judge.verify(SIGNER.sign(claims(generation=2, now=EPOCH))).generation == 2


def test_lifted_revocation_lets_the_organisation_in_again() -> None:
    judge = verifier()
    judge.note([Revocation("organisation:1", None, lifted=False)])
    judge.note([Revocation("organisation:1", None, lifted=True)])
    assert judge.verify(SIGNER.sign(valid())).org_id == 1


def test_retired_key_is_refused_after_its_time_and_when_it_is_gone() -> None:
    clock = Clock()
    judge = Verifier(EXPECTED, clock)
    token = SIGNER.sign(valid())
    judge.use_keys([PublicKey(SIGNER.kid, SIGNER.x, NOW + timedelta(minutes=5))])
    assert judge.verify(token).user_id == 7
    clock.now = NOW + timedelta(minutes=6)
    with pytest.raises(InvalidToken):
        judge.verify(token)
    judge.use_keys([Signer("next").public])
    clock.now = NOW
    with pytest.raises(InvalidToken):
        judge.verify(token)
