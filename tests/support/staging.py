"""Things of a company that requests are about, made for them, and the bodies that they send."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.support.installation import Company, Installation, Member
from tests.support.oauth import REDIRECT_URI, Application, Attempt, Browser
from tests.support.waiting import eventually

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Stage:
    """Whose things a request is about, and who sends it."""

    peerly: Installation
    company: Company
    caller: Member

    def named(self, what: str) -> str:
        """Text that tells whose it is, to be found where it must not be."""
        return f"{what} {next(_numbers)} of {self.company.domain}"

    async def do(self, method: str, path: str, body: Any = None, by: Member | None = None, status: int = 201) -> Any:
        """A step of preparation, by default an employee's."""
        token = (by or self.company.employee).token
        return await self.peerly.expect(status, method, path, token=token, body=body)


Ids = Mapping[str, int | str]
Make = Callable[[Stage], Awaitable[Any]]


async def nothing(_: Stage) -> Any:
    return None


async def no_ids(_: Stage) -> Ids:
    return {}


def always(body: Any) -> Make:
    async def make(_: Stage) -> Any:
        return body

    return make


def only(name: str, maker: Make) -> Make:
    async def make(stage: Stage) -> Ids:
        return {name: await maker(stage)}

    return make


async def core_value(stage: Stage) -> int:
    body = {"text": stage.named("Courage"), "description": stage.named("To dare")}
    return int((await stage.do("POST", "/core_values", body, stage.company.admin))["id"])


async def recognition(stage: Stage) -> int:
    """Given by one employee to the other, and known to moderation."""
    body = {"given_for": stage.company.colleague.id, "core_value_id": await core_value(stage)}
    made = await stage.do("POST", "/recognitions", body | {"text": stage.named("Thanks")})
    return int(made["id"])


async def own_recognition(stage: Stage) -> int:
    """Given by the caller, where they can."""
    giver = stage.caller if stage.caller.org_id == stage.company.id else stage.company.employee
    body = {"given_for": await receiver(stage), "core_value_id": await core_value(stage)}
    return int((await stage.do("POST", "/recognitions", body | {"text": stage.named("Thanks")}, giver))["id"])


async def case_of_moderation(stage: Stage) -> int:
    made = await recognition(stage)
    report = {"mark_as": "fraud", "reason": stage.named("Doubt")}
    await stage.do("POST", f"/recognitions/{made}/report", report, stage.company.moderator)
    return made


async def newcomer(stage: Stage) -> int:
    """Somebody new, and known to quota."""
    made = (await stage.peerly.newcomer(stage.company.domain)).id

    async def is_known() -> bool:
        reply = await stage.peerly.ask("GET", f"/quota/users/{made}", token=stage.company.admin.token)
        return reply.status == 200

    await eventually(is_known)
    return made


async def leaver(stage: Stage) -> int:
    made = await newcomer(stage)
    await stage.do("DELETE", f"/users/{made}", by=stage.company.admin, status=200)
    return made


async def colleague(stage: Stage) -> int:
    return stage.company.colleague.id


async def employee(stage: Stage) -> int:
    return stage.company.employee.id


async def organisation(stage: Stage) -> int:
    return stage.company.id


async def new_core_value(stage: Stage) -> Any:
    return {
        "text": stage.named("Trust"),
        "description": stage.named("To rely on"),
        "parent_core_value_id": await core_value(stage),
    }


async def core_value_texts(stage: Stage) -> Any:
    return {"text": stage.named("Care"), "description": stage.named("To look after")}


async def new_recognition(stage: Stage) -> Any:
    return {"given_for": await receiver(stage), "core_value_id": await core_value(stage), "text": stage.named("Bravo")}


async def receiver(stage: Stage) -> int:
    """Somebody else than the caller."""
    company = stage.company
    return company.employee.id if stage.caller.id == company.colleague.id else company.colleague.id


async def report(stage: Stage) -> Any:
    return {"mark_as": "incorrect", "reason": stage.named("Not so")}


async def organisation_body(stage: Stage) -> Any:
    return {
        "name": stage.company.domain.split(".")[0],
        "domain_names": [stage.company.domain],
        "contact_email": f"office@{stage.company.domain}",
        "hi5_limit": 1_000_000,
        "hi5_quota_renewal_frequency": "QUARTERLY",
        "timezone": "Europe/Berlin",
    }


async def new_organisation(stage: Stage) -> Any:
    domain = f"branch-{next(_numbers)}.{stage.company.domain}"
    return await organisation_body(stage) | {"domain_names": [domain]}


async def reset_token(stage: Stage) -> str:
    """The last part of a one-time link."""
    path = f"/users/{await newcomer(stage)}/password-reset"
    made = await stage.do("POST", path, by=stage.company.admin)
    return str(made["link"]).rsplit("/", 1)[1]


async def google_token(stage: Stage) -> Any:
    return {"access_token": stage.peerly.google_token(stage.company.employee.email)}


async def new_token(_: Stage) -> Any:
    return {"name": "For the walk", "expires_at": int(time.time()) + 3600, "scopes": ["view:profile"]}


async def personal_token(stage: Stage) -> int:
    """One of the caller's own; of another company's employee where things of that company are asked for."""
    is_own = stage.caller.org_id in {None, stage.company.id}
    owner = stage.caller if is_own else stage.company.employee
    return int((await stage.do("POST", "/users/me/tokens", await new_token(stage), owner))["id"])


async def own_session(stage: Stage) -> int:
    """A fresh one of the caller; of another company's employee where things of that company are asked for."""
    is_own = stage.caller.org_id in {None, stage.company.id}
    owner = stage.caller if is_own else stage.company.employee
    again = await (stage.peerly.super_admin() if owner.org_id is None else stage.peerly.sign_in(owner.email))
    known = await stage.do("GET", "/users/me/sessions?limit=100", by=again, status=200)
    return next(int(one["id"]) for one in known if one["current"])


async def api_key(stage: Stage) -> int:
    body = {"name": stage.named("Key"), "scopes": ["view:user"]}
    return int((await stage.do("POST", "/api-keys", body, stage.company.admin))["id"])


async def application(stage: Stage) -> Any:
    """Registered by an admin."""
    body = {"name": stage.named("Application"), "redirect_uris": [REDIRECT_URI], "scopes": ["view:profile"]}
    return await stage.do("POST", "/oauth/clients", body, stage.company.admin)


async def application_id(stage: Stage) -> int:
    return int((await application(stage))["id"])


async def authorization(stage: Stage) -> Any:
    return Attempt(Application.of(await application(stage))).parameters


async def own_rights(stage: Stage) -> Any:
    return {"grant_type": "client_credentials", **Application.of(await application(stage)).credentials}


async def a_token_to_name(stage: Stage) -> Any:
    return {"token": stage.named("Token"), **Application.of(await application(stage)).credentials}


async def new_application(stage: Stage) -> Any:
    return {"name": stage.named("Application"), "redirect_uris": [REDIRECT_URI], "scopes": ["view:profile"]}


async def grant_of_somebody(stage: Stage) -> int:
    """Whoever of the stage asks, it is another person's."""
    person = await stage.peerly.newcomer(stage.company.domain)
    made = await stage.do("POST", f"/users/{person.id}/password-reset", by=stage.company.admin)
    body, token = {"password": "a password nobody guesses"}, str(made["link"]).rsplit("/", 1)[1]
    await stage.peerly.expect(200, "POST", f"/password-resets/{token}", body=body)
    attempt = Attempt(Application.of(await application(stage)))
    await Browser(stage.peerly.session, stage.peerly.url).allow(attempt, person.email, body["password"])
    again = await stage.peerly.sign_in(person.email)
    [granted] = await stage.do("GET", "/users/me/grants", by=again, status=200)
    return int(granted["id"])


async def new_identity_provider(_: Stage) -> Any:
    """Its address answers nobody, so that no key ever comes of it."""
    return {"issuer": "https://identity.invalid", "audience": f"walk-{next(_numbers)}"}


async def identity_provider(stage: Stage) -> Ids:
    path = f"/organisations/{stage.company.id}/identity-providers"
    made = await stage.do("POST", path, await new_identity_provider(stage), stage.company.admin)
    return {"id": stage.company.id, "provider_id": made["id"]}


async def new_team(stage: Stage) -> Any:
    return {
        "name": stage.named("Team"),
        "member_ids": [stage.company.employee.id],
        "lead_id": stage.company.colleague.id,
    }


async def new_file(_: Stage) -> Any:
    """A form with a small picture in it."""
    form = aiohttp.FormData()
    form.add_field("file", PIXEL, filename="pixel.png")
    return form


async def own_picture(stage: Stage) -> dict[str, str]:
    """Where the caller's own picture goes; a super admin has none here, and sets a colleague's."""
    whose = stage.caller if stage.caller.org_id == stage.company.id else stage.company.colleague
    return {"kind": "users", "id": str(whose.id), "attribute": "profile_image_url"}


async def file_of_thumbnail(stage: Stage) -> Any:
    """What was told of a core value's thumbnail."""
    query = {"kind": "core_values", "id": str(await core_value(stage)), "attribute": "thumbnail"}
    reply = await stage.peerly.ask(
        "POST", "/files", token=stage.company.admin.token, params=query, body=await new_file(stage), form=True
    )
    assert reply.status == 201, reply.raw
    return reply.data


async def file_id(stage: Stage) -> int:
    return int((await file_of_thumbnail(stage))["file_id"])


async def files_id(stage: Stage) -> int:
    return int((await file_of_thumbnail(stage))["files_id"])


async def removable_file(stage: Stage) -> int:
    """The caller's own picture, or a thumbnail."""
    if stage.caller.org_id != stage.company.id:
        return await file_id(stage)
    query, form = await own_picture(stage), await new_file(stage)
    reply = await stage.peerly.ask("POST", "/files", token=stage.caller.token, params=query, body=form, form=True)
    assert reply.status == 201, reply.raw
    return int(reply.data["file_id"])


async def team(stage: Stage) -> int:
    return int((await stage.do("POST", "/teams", await new_team(stage), stage.company.admin))["id"])


async def new_campaign(stage: Stage) -> Any:
    return {
        "name": stage.named("Campaign"),
        "starts_at": int(time.time()),
        "ends_at": int(time.time()) + 7 * 86_400,
        "goal_metric": "hi5s",
        "goal_target": 100,
        "core_value_ids": [await core_value(stage)],
        "team_ids": [await team(stage)],
    }


async def campaign(stage: Stage) -> int:
    return int((await stage.do("POST", "/campaigns", await new_campaign(stage), stage.company.admin))["id"])


async def new_series(stage: Stage) -> Any:
    return {
        "name": stage.named("Series"),
        "text": stage.named("Thanks again"),
        "core_value_id": await core_value(stage),
        "given_for": await receiver(stage),
        "recurrence": "FREQ=YEARLY",
        "starts_at": int(time.time()) + 30 * 86_400,
    }


async def own_series(stage: Stage) -> int:
    """The caller's, where they can have one."""
    owner = stage.caller if stage.caller.org_id == stage.company.id else stage.company.employee
    return int((await stage.do("POST", "/recognition-series", await new_series(stage), owner))["id"])


async def new_value_list(_: Stage) -> Any:
    return {"name": f"list-{next(_numbers)}", "values": ["One", "Two"]}


async def value_list(stage: Stage) -> str:
    made = await stage.do("POST", "/valuelists", await new_value_list(stage), stage.company.admin)
    return str(made["name"])


async def new_maintenance_window(_: Stage) -> Any:
    """Far ahead, and apart from all others."""
    starts_at = int(time.time()) + 10 * 86_400 + 3600 * next(_numbers)
    return {"starts_at": starts_at, "ends_at": starts_at + 1800, "message": "For the walk"}


async def maintenance_window(stage: Stage) -> int:
    by = await stage.peerly.super_admin()
    return int((await stage.do("POST", "/maintenance-windows", await new_maintenance_window(stage), by))["id"])


async def adjusted_person(stage: Stage) -> int:
    """Somebody about whose quota there is something to tell."""
    made = await newcomer(stage)
    await stage.do("POST", f"/quota/users/{made}/adjustments", {"amount": 1, "reason": "A start"}, stage.company.admin)
    return made
