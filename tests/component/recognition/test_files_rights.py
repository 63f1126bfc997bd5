"""TM-10: who adds, reads and removes which files."""

from __future__ import annotations

from typing import Any

import pytest

from shared.identity import Role
from shared.identity.claims import NAMESPACE, PERSONAL_TOKEN
from tests.component.recognition.filing import (
    PDF,
    PICTURE,
    THUMBNAIL,
    content,
    form_of,
    picture,
    send,
    upload,
    uploaded,
)
from tests.component.recognition.world import (
    ADMIN,
    ANNA,
    BEN,
    CLEO,
    FOREIGN_ADMIN,
    MODERATOR,
    STRANGER,
    SUPER_ADMIN,
    Api,
    World,
)
from tests.support.api import ACME, SIGNER, Caller, Reply
from tests.support.tokens import claims

UNKNOWN = 999_999


@pytest.fixture
async def given(api: Api) -> int:
    return await api.given(ANNA, BEN, await api.new_value())


async def grow_older(world: World, minutes: float) -> None:
    await world.as_administrator(f"UPDATE recognitions SET given_at = given_at - interval '{minutes} minutes'")


async def test_tm10_a_picture_is_set_by_its_owner_and_by_admins(api: Api) -> None:
    assert (await upload(api, ANNA, "users", ANNA.user_id, picture())).status == 201
    assert (await upload(api, ADMIN, "users", ANNA.user_id, picture())).status == 201
    for id_ in (BEN.user_id, STRANGER.user_id, UNKNOWN):
        assert (await upload(api, ANNA, "users", id_, picture())).code == (403, "access_denied"), id_
    for id_ in (STRANGER.user_id, UNKNOWN):
        unknown = await upload(api, ADMIN, "users", id_, picture())
        assert (unknown.code, list(unknown.error["fields"])) == ((400, "invalid_data"), ["id"])


async def test_tm10_a_thumbnail_is_set_by_who_may_change_core_values(api: Api) -> None:
    value = await api.new_value()
    for caller in (ANNA, MODERATOR):
        assert (await upload(api, caller, "core_values", value, picture())).code == (403, "access_denied")
    assert (await upload(api, ADMIN, "core_values", value, picture())).status == 201
    for caller, id_ in ((ADMIN, UNKNOWN), (FOREIGN_ADMIN, value)):
        assert (await upload(api, caller, "core_values", id_, picture())).error["fields"].keys() == {"id"}


async def test_tm10_attachments_are_the_givers_for_a_quarter_of_an_hour(api: Api, world: World, given: int) -> None:
    first, second = [await uploaded(api, ANNA, "recognitions", given, PDF) for _ in range(2)]
    for caller in (BEN, CLEO, MODERATOR, ADMIN):
        assert (await upload(api, caller, "recognitions", given, PDF)).code == (403, "access_denied")
    for caller in (BEN, CLEO, MODERATOR):
        removed = await api.ask(caller, "DELETE", f"/filecontent/{first['file_id']}")
        assert removed.code == (403, "access_denied")
    await grow_older(world, 16)
    assert (await upload(api, ANNA, "recognitions", given, PDF)).code == (422, "unprocessable_entity")
    assert (await api.ask(ANNA, "DELETE", f"/filecontent/{first['file_id']}")).code == (422, "unprocessable_entity")
    assert (await api.ask(ADMIN, "DELETE", f"/filecontent/{first['file_id']}")).status == 204
    root = await api.ask(SUPER_ADMIN, "DELETE", f"/filecontent/{second['file_id']}", X_Org_Id=str(ACME))
    assert root.status == 204


async def test_tm10_a_hidden_recognitions_files_are_as_hidden(api: Api, world: World, given: int) -> None:
    made = await uploaded(api, ANNA, "recognitions", given, PDF)
    await world.hides(given, 1)
    for path in (f"/files/{made['files_id']}", f"/filecontent/{made['file_id']}"):
        for caller in (ANNA, BEN):
            assert (await api.get(caller, path)).code == (404, "not_found")
        assert (await api.get(MODERATOR, path)).status == 200
    assert (await upload(api, ANNA, "recognitions", given, PDF)).error["fields"].keys() == {"id"}
    assert (await api.ask(ANNA, "DELETE", f"/filecontent/{made['file_id']}")).status == 404
    await world.restores(given, 2)
    assert (await content(api, BEN, made["file_id"])).status == 200


async def test_tm10_another_organisations_files_are_as_unknown_ones(api: Api, given: int) -> None:
    made = await uploaded(api, ANNA, "recognitions", given, PDF)
    for method, path, id_ in (
        ("GET", "/files/{}", made["files_id"]),
        ("GET", "/filecontent/{}", made["file_id"]),
        ("GET", "/filecontent/{}/description", made["file_id"]),
        ("DELETE", "/filecontent/{}", made["file_id"]),
    ):
        foreign = await api.ask(FOREIGN_ADMIN, method, path.format(id_))
        unknown = await api.ask(FOREIGN_ADMIN, method, path.format(UNKNOWN))
        assert (foreign.status, foreign.raw) == (unknown.status, unknown.raw) == (404, foreign.raw)
    foreign = await upload(api, STRANGER, "recognitions", given, PDF)
    assert foreign.raw == (await upload(api, STRANGER, "recognitions", UNKNOWN, PDF)).raw
    assert foreign.status == 400


def limited(caller: Caller, *scopes: str) -> str:
    """A personal token with these scopes alone."""
    known = claims(caller.user_id, caller.role, caller.org_id)
    own = {name: known[name] for name in ("sub", "jti", NAMESPACE)}
    return SIGNER.narrowed(PERSONAL_TOKEN, " ".join(scopes), client_id="token:1", **own)


async def ask_with(api: Api, token: str, method: str, path: str, form: Any = None, **query: str) -> Reply:
    sent = {"Authorization": f"Bearer {token}"}
    async with api.session.request(method, api.address + path, params=query, data=form, headers=sent) as answer:
        return Reply(answer.status, answer.headers, await answer.read())


async def test_tm10_a_credential_needs_the_things_own_scope_too(api: Api) -> None:
    value = await api.new_value()
    made = await uploaded(api, ADMIN, "core_values", value, picture())
    path, query = f"/filecontent/{made['file_id']}", {"kind": "core_values", "id": str(value), "attribute": THUMBNAIL}
    cases = (
        ("GET", path, (), "view:file", "view:core_value", 200),
        ("GET", f"/files/{made['files_id']}", (), "view:file", "view:core_value", 200),
        ("POST", "/files", query, "create:file", "update:core_value", 201),
        ("DELETE", path, (), "delete:file", "update:core_value", 404),  # replaced by then
    )
    for method, at, params, own, things, status in cases:
        for scopes in ((own,), (things,)):
            token = limited(ADMIN, *scopes)
            refused = await ask_with(api, token, method, at, form_of(picture()) if params else None, **dict(params))
            assert refused.code in {(403, "access_denied"), (404, "not_found")}, (method, scopes)
        token = limited(ADMIN, own, things)
        allowed = await ask_with(api, token, method, at, form_of(picture()) if params else None, **dict(params))
        assert allowed.status == status, (method, at, allowed.raw)


async def test_tm10_nothing_is_read_of_a_body_that_is_refused_anyway(api: Api, given: int) -> None:
    """Neither without a token, nor without the right: these bodies are no forms."""
    assert (await send(api, None, "users", ANNA.user_id, b"no form")).code == (401, "invalid_token")
    assert (await send(api, ANNA, "users", BEN.user_id, b"no form")).code == (403, "access_denied")
    assert (await send(api, BEN, "recognitions", given, b"no form")).code == (403, "access_denied")


@pytest.mark.parametrize(
    ("kind", "id_", "attribute", "wrong"),
    [
        ("teams", "1", PICTURE, {"kind"}),
        ("users", "x", PICTURE, {"id"}),
        ("users", "0", PICTURE, {"id"}),
        ("users", str(ANNA.user_id), "phone", {"attribute"}),
        ("users", str(ANNA.user_id), THUMBNAIL, {"attribute"}),
        ("", "", "", {"kind", "id", "attribute"}),
    ],
)
async def test_tm10_a_place_that_does_not_exist_is_400(
    api: Api, kind: str, id_: str, attribute: str, wrong: set[str]
) -> None:
    query = {"kind": kind, "id": id_, "attribute": attribute}
    reply = await ask_with(api, ANNA.token, "POST", "/files", form_of(picture()), **query)
    assert (reply.status, reply.error["fields"].keys()) == (400, wrong)


async def test_tm10_an_employee_who_is_not_known_yet_has_a_picture(api: Api) -> None:
    newcomer = Caller(4711, Role.EMPLOYEE)
    assert (await upload(api, newcomer, "users", newcomer.user_id, picture())).status == 201
