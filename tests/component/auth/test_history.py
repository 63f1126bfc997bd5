"""TM-7 in auth: people, organisations, keys and applications; what is secret is in no log."""

from __future__ import annotations

import time
from typing import Any

from tests.component.auth.world import World
from tests.support.log import told

REDIRECT_URI = "https://app.test/back"


async def log_of(world: World, path: str, who: str = "ada") -> list[tuple[int | None, str, dict[str, Any]]]:
    return told(await world.get(who, f"{path}/historylog"))


async def test_tm7_a_person(world: World) -> None:
    emil, path = world.id_of("emil"), f"/users/{world.id_of('emil')}"
    profile = {"first_name": "Emil", "last_name": "Newman", "display_name": "E"}
    assert (await world.put("emil", "/users/me", profile)).status == 200
    assert (await world.put("ada", path, {"role_id": 4})).status == 200
    assert (await world.delete("ada", path)).status == 200
    assert (await world.post("ada", f"{path}/restore")).status == 200
    created, changed, promoted, deleted, restored = await log_of(world, path)
    assert (created[1], created[2]["email"]) == ("created", (None, "emil@acme.test"))
    assert changed[:2] == (emil, "changed")
    assert changed[2]["last_name"] == ("Tester", "Newman")
    assert promoted == (world.id_of("ada"), "changed", {"role_id": (3, 4)})
    assert deleted[:2] == (world.id_of("ada"), "deleted")
    assert deleted[2]["soft_delete_by"] == (None, world.id_of("ada"))
    assert restored[:2] == (world.id_of("ada"), "restored")


async def test_tm7_what_a_person_makes_for_themselves_is_in_their_log(world: World) -> None:
    body = {"name": "Report", "expires_at": int(time.time()) + 3600, "scopes": ["view:user"]}
    made = (await world.post("emil", "/users/me/tokens", body)).data
    await world.delete("emil", f"/users/me/tokens/{made['id']}")
    *_, first, last = await log_of(world, f"/users/{world.id_of('emil')}")
    assert (first[0], first[1], first[2]["name"]) == (world.id_of("emil"), "token_created", (None, "Report"))
    assert (last[1], last[2]["expires_at"]) == ("token_deleted", (body["expires_at"], None))


async def test_tm7_an_organisation(world: World) -> None:
    made = (await world.post("root", "/organisations", {
        "name": "Initech", "domain_names": ["initech.test"], "contact_email": "office@initech.test", "hi5_limit": 5,
        "hi5_quota_renewal_frequency": "WEEKLY", "timezone": "UTC",
    })).data  # fmt: skip
    path = f"/organisations/{made['id']}"
    assert (await world.ask("root", "PATCH", path, {"hi5_limit": 6})).status == 200
    log = await log_of(world, path, "root")
    assert {actor for actor, _, _ in log} == {world.id_of("root")}
    assert {action for _, action, _ in log} == {"created", "domain_created", "changed"}
    assert log[-1][2] == {"hi5_limit": (5, 6)}
    assert (await world.get("ada", f"{path}/historylog")).code == (404, "not_found")
    own = await log_of(world, f"/organisations/{world.acme}")
    assert own[0][1] == "created"


async def test_tm7_keys_and_applications_without_their_secrets(world: World) -> None:
    key = (await world.post("ada", "/api-keys", {"name": "Reports", "scopes": ["view:user"]})).data
    path = f"/api-keys/{key['id']}"
    assert (await world.ask("ada", "PATCH", path, {"name": "Weekly"})).status == 200
    assert (await world.post("abe", f"{path}/rotate", {"grace_seconds": 0})).status == 201
    assert (await world.delete("abe", path)).status == 204
    ada, abe = world.id_of("ada"), world.id_of("abe")
    assert [entry[:2] for entry in await log_of(world, path)] == [
        (ada, "created"), (ada, "changed"), (abe, "rotated"), (abe, "deleted"),
    ]  # fmt: skip
    body = {"name": "App", "redirect_uris": [REDIRECT_URI], "scopes": ["view:profile"]}
    client = (await world.post("ada", "/oauth/clients", body)).data
    application = (await world.get("ada", "/oauth/clients")).data[0]["id"]
    await world.post("abe", f"/oauth/clients/{application}/rotate")
    assert [entry[:2] for entry in await log_of(world, f"/oauth/clients/{application}")] == [
        (ada, "created"), (abe, "rotated"),
    ]  # fmt: skip
    written = str([tuple(row) for row in await world.owner.fetch("SELECT changes::text FROM history")])
    for secret in (key["key"], key["key"].rsplit(".", 1)[1], client["client_secret"]):
        assert secret not in written


async def test_tm7_one_organisations_log_is_nobody_elses(world: World) -> None:
    assert (await world.get("gus", f"/users/{world.id_of('emil')}/historylog")).code == (404, "not_found")
    seen = {entry["id"] for entry in (await world.get("gus", "/users/historylog")).data}
    assert seen == {world.id_of("gus"), world.id_of("gina")}
    assert (await world.get("root", f"/users/{world.id_of('emil')}/historylog")).status == 200
