"""S5: nobody gives themselves or others more than they have, by whatever door."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from shared.identity import Role
from tests.support.cases import PROFILE
from tests.support.walk import MEMBERS, World

RIGHTS = """
SELECT json_build_object(
    'people', (SELECT json_agg(json_build_array(id, org_id, role_id, email,
    soft_delete_at) ORDER BY id) FROM auth.users),
    'organisations', (SELECT json_agg(json_build_array(id, hi5_limit, status,
    timezone) ORDER BY id) FROM auth.organisations),
    'keys', (SELECT json_agg(json_build_array(id, org_id, scopes) ORDER BY id) FROM auth.api_keys),
    'applications', (SELECT json_agg(json_build_array(id, org_id, scopes) ORDER BY id) FROM auth.oauth_clients),
    'providers', (SELECT count(*) FROM auth.identity_providers),
    'adjustments', (SELECT count(*) FROM quota.adjustments),
    'resets', (SELECT count(*) FROM auth.password_resets),
    'values', (SELECT count(*) FROM recognition.core_values),
    'reviews', (SELECT count(*) FROM moderation.reviews)
)::text
"""
REFUSED = {400, 401, 403, 404, 409, 422}


@dataclass(frozen=True, slots=True)
class Attempt:
    """`{us}` is the caller, `{they}` the other company's employee, `{theirs}` and `{ours}` are the companies."""

    who: Role
    method: str
    path: str
    body: Any = None
    ignored: bool = False
    headers: tuple[tuple[str, str], ...] = ()


def _profiles() -> dict[str, Attempt]:
    wanted: dict[str, Any] = {
        "role 1": {"role_id": 1}, "role 2": {"role_id": 2}, "role in words": {"role": "organisation_admin"},
        "organisation": {"org_id": 1}, "balance": {"hi5_quota_balance": 10**6, "hi5_count": 10**6},
        "another id": {"id": 1}, "another address": {"email": "root@peerly.test"}, "generation": {"generation": 0},
        "permissions": {"permissions": ["*"], "scopes": ["manage:quota"], "is_admin": True},
    }  # fmt: skip
    return {
        f"own profile with {name}, as {role.name.lower()}": Attempt(
            role, "PUT", "/users/me", PROFILE | more, ignored=True
        )
        for name, more in wanted.items()
        for role in MEMBERS
    }


def _roles() -> dict[str, Attempt]:
    made = {}
    for role in MEMBERS:
        for wanted in (1, 2, 4):
            name = f"as {role.name.lower()}, role {wanted}"
            made[f"{name} for another company's"] = Attempt(role, "PUT", "/users/{they}", {"role_id": wanted})
            if role is not Role.ORGANISATION_ADMIN or wanted == 1:
                made[f"{name} for oneself"] = Attempt(role, "PUT", "/users/{us}", {"role_id": wanted})
    for strange in (0, 5, -1, 1.5, True, None, "organisation_admin", [1], {"id": 1}, 2**63):
        made[f"a role that is {strange!r}"] = Attempt(
            Role.ORGANISATION_ADMIN, "PUT", "/users/{us}", {"role_id": strange}
        )
    return made


ADMIN, MODERATOR, EMPLOYEE = Role.ORGANISATION_ADMIN, Role.MODERATOR, Role.EMPLOYEE
KEY = {"name": "Wide", "scopes": ["create:organisation"]}
CLIENT = {"name": "Wide", "redirect_uris": ["https://app.example/back"], "scopes": ["create:organisation"]}
PROVIDER = {"issuer": "https://evil.example", "audience": "x"}
ATTEMPTS: dict[str, Attempt] = {
    **_profiles(),
    **_roles(),
    "the last admin removes themselves": Attempt(ADMIN, "DELETE", "/users/{us}"),
    "the last admin steps down": Attempt(ADMIN, "PUT", "/users/{us}", {"role_id": 3}),
    "an admin makes an organisation": Attempt(ADMIN, "POST", "/organisations", {"name": "x"}),
    "an admin lists organisations": Attempt(ADMIN, "GET", "/organisations"),
    "an admin makes a customer": Attempt(ADMIN, "POST", "/customers", {"name": "x", "contactEmail": "a@b.test"}),
    "an admin changes their organisation's id": Attempt(ADMIN, "PATCH", "/organisations/{theirs}", {"city": "x"}),
    "an admin puts another organisation": Attempt(ADMIN, "PUT", "/organisations/{theirs}", {"hi5_limit": 0}),
    "an admin removes another company's": Attempt(ADMIN, "DELETE", "/users/{they}"),
    "an admin restores another company's": Attempt(ADMIN, "POST", "/users/{they}/restore"),
    "an admin links another company's password": Attempt(ADMIN, "POST", "/users/{they}/password-reset"),
    "an admin adjusts another company's": Attempt(
        ADMIN, "POST", "/quota/users/{they}/adjustments", {"amount": -5, "reason": "x"}
    ),
    "an admin's provider for another company": Attempt(
        ADMIN, "POST", "/organisations/{theirs}/identity-providers", PROVIDER
    ),
    "an admin names another company": Attempt(
        ADMIN, "PATCH", "/organisations/{ours}", {"hi5_limit": 9}, headers=(("X-Org-Id", "{theirs}"),)
    ),
    "an admin names another company in the query": Attempt(
        ADMIN, "PUT", "/users/{they}?org_id={theirs}", {"role_id": 2}
    ),
    "a key with rights that its maker lacks": Attempt(ADMIN, "POST", "/api-keys", KEY),
    "an application with such rights": Attempt(ADMIN, "POST", "/oauth/clients", CLIENT),
    "a token with such rights": Attempt(
        EMPLOYEE, "POST", "/users/me/tokens", KEY | {"expires_at": int(time.time()) + 60}
    ),
    "a token with the moderators' rights": Attempt(
        EMPLOYEE,
        "POST",
        "/users/me/tokens",
        {"name": "x", "scopes": ["review:recognition"], "expires_at": int(time.time()) + 60},
    ),
    "an employee's own limit": Attempt(EMPLOYEE, "PATCH", "/organisations/{ours}", {"hi5_limit": 1000}),
    "an employee's own hi5s": Attempt(EMPLOYEE, "POST", "/quota/users/{us}/adjustments", {"amount": 5, "reason": "x"}),
    "a moderator's own hi5s": Attempt(MODERATOR, "POST", "/quota/users/{us}/adjustments", {"amount": 5, "reason": "x"}),
    "an employee's key": Attempt(EMPLOYEE, "POST", "/api-keys", {"name": "x", "scopes": ["view:user"]}),
    "an employee's application": Attempt(EMPLOYEE, "POST", "/oauth/clients", CLIENT | {"scopes": ["view:user"]}),
    "an employee's provider": Attempt(EMPLOYEE, "POST", "/organisations/{ours}/identity-providers", PROVIDER),
    "an employee's core value": Attempt(EMPLOYEE, "POST", "/core_values", {"text": "x", "description": "x"}),
    "an employee removes a colleague": Attempt(EMPLOYEE, "DELETE", "/users/{us}"),
    "an employee reviews": Attempt(EMPLOYEE, "POST", "/recognitions/1/review", {"is_inappropriate": True}),
    "an employee reads cases": Attempt(EMPLOYEE, "GET", "/moderation/cases"),
    "an employee reads what is hidden": Attempt(EMPLOYEE, "GET", "/recognitions?status=hidden"),
    "an employee lists the deleted": Attempt(EMPLOYEE, "GET", "/users?include_deleted=true"),
    "an employee links a password": Attempt(EMPLOYEE, "POST", "/users/{us}/password-reset"),
    "an employee reads another's ledger": Attempt(EMPLOYEE, "GET", "/quota/users/1/ledger"),
    "an employee asks for the proof": Attempt(EMPLOYEE, "GET", "/quota/proof"),
}


def test_s5_there_are_enough_attempts() -> None:
    assert len(ATTEMPTS) >= 50


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
async def test_s5_nobody_gets_more(world: World, owner: asyncpg.Connection[asyncpg.Record], attempt: Attempt) -> None:
    caller = world.ours.member(attempt.who)
    named = {"us": caller.id, "they": world.theirs.employee.id, "ours": world.ours.id, "theirs": world.theirs.id}
    headers = {name: value.format(**named) for name, value in attempt.headers}
    before = await owner.fetchval(RIGHTS)
    reply = await world.peerly.ask(
        attempt.method, attempt.path.format(**named), token=caller.token, body=attempt.body, headers=headers
    )
    assert reply.status == 200 if attempt.ignored else reply.status in REFUSED, reply.raw
    assert await owner.fetchval(RIGHTS) == before


CREDENTIALS = {"key": "/api-keys", "token": "/users/me/tokens"}
NARROW = ["view:profile", "manage:api", "manage:token", "view:user"]
BEYOND = [
    ("POST", "/api-keys", {"name": "x", "scopes": ["update:user"]}),
    ("POST", "/users/me/tokens", {"name": "x", "scopes": ["update:user"]}),
    ("POST", "/oauth/clients", CLIENT | {"scopes": ["update:user"]}),
    ("PUT", "/users/{they}", {"role_id": 2}),
    ("DELETE", "/users/{they}", None),
    ("POST", "/users/{they}/password-reset", None),
    ("PUT", "/users/me/password", {"current": "x" * 20, "new": "y" * 20}),
    ("PATCH", "/organisations/{ours}", {"city": "x"}),
    ("POST", "/quota/users/{they}/adjustments", {"amount": 1, "reason": "x"}),
]


@pytest.mark.parametrize("kind", ["key", "token"])
@pytest.mark.parametrize("act", BEYOND, ids=[f"{one[0]} {one[1]} {number}" for number, one in enumerate(BEYOND)])
async def test_s5_a_narrow_credential_makes_and_does_nothing_wider(
    world: World, owner: asyncpg.Connection[asyncpg.Record], kind: str, act: tuple[str, str, Any]
) -> None:
    method, path, body = act
    admin, until = world.ours.admin, int(time.time()) + 600
    asked = {"name": "Narrow", "scopes": NARROW, "expires_at": until}
    made = await world.peerly.expect(201, "POST", CREDENTIALS[kind], token=admin.token, body=asked)
    before = await owner.fetchval(RIGHTS)
    where = path.format(they=world.ours.colleague.id, ours=world.ours.id)
    sent = body | {"expires_at": until} if body and "name" in body and "redirect_uris" not in body else body
    reply = await world.peerly.ask(method, where, token=made[kind], body=sent)
    assert reply.status in REFUSED, reply.raw
    assert await owner.fetchval(RIGHTS) == before
