"""Organisations: begun by the installation, kept by their admins, shown to their members, suspended and closed."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from shared.contracts.auth import OrganisationChanged, OrganisationCreated, SessionRevoked
from tests.component.auth.world import World
from tests.support.waiting import eventually

NEW: dict[str, Any] = {
    "name": "Initech",
    "domain_names": ["initech.test", "initech.example"],
    "contact_email": "office@initech.test",
    "hi5_limit": 5,
    "hi5_quota_renewal_frequency": "MONTHLY",
    "timezone": "America/Chicago",
}
RECORD: dict[str, Any] = {
    "subscription_status": "trial", "subscription_valid_upto": 1_900_000_000, "recognition_hi5_cost": 1,
    "number": "200-000",
    "status": "ACTIVE", "address1": "123 America Street", "address2": "", "city": "San Francisco", "state": "CA",
    "zip_code": "94104", "contact_name": "Test Contact", "contact_phone": "6144561447", "billing_contact": "Bill",
    "billing_contact_email": "bill@initech.test", "billing_contact_phone": "0000000000",
}  # fmt: skip
BILLING = {"billing_contact", "billing_contact_email", "billing_contact_phone"}
OPTIONAL = set(RECORD) - {"recognition_hi5_cost", "status"}


async def test_a_super_admin_begins_an_organisation(world: World) -> None:
    reply = await world.post("root", "/organisations", NEW)
    assert reply.status == 201
    defaults = dict.fromkeys(OPTIONAL) | {"recognition_hi5_cost": 0, "status": "ACTIVE"}
    assert reply.data == NEW | defaults | {"id": reply.data["id"]}
    [event] = await world.told(OrganisationCreated, organisation_id=reply.data["id"])
    assert event == {
        "org_id": reply.data["id"], "organisation_id": reply.data["id"], "name": "Initech", "status": "ACTIVE",
        "hi5_limit": 5, "hi5_quota_renewal_frequency": "MONTHLY", "timezone": "America/Chicago",
        "recognition_hi5_cost": 0,
        "version": 1,
        "changed_by": world.id_of("root"),
    }  # fmt: skip


async def test_the_whole_record_is_kept(world: World) -> None:
    reply = await world.post("root", "/organisations", NEW | RECORD)
    assert reply.data == NEW | RECORD | {"id": reply.data["id"]}
    assert list(reply.data)[:4] == ["id", "name", "domain_names", "contact_email"]
    assert (await world.get("root", f"/organisations/{reply.data['id']}")).data == reply.data


async def test_its_people_sign_in_at_once(world: World) -> None:
    await world.post("root", "/organisations", NEW)
    world.google.knows("t", "peter@initech.example")
    assert (await world.google_sign_in("t")).status == 200


async def test_the_same_request_again_begins_no_second_one(world: World) -> None:
    first = await world.post("root", "/organisations", NEW, Idempotency_Key="k")
    again = await world.post("root", "/organisations", NEW, Idempotency_Key="k")
    assert (again.status, again.raw) == (201, first.raw)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await world.post("root", "/organisations", NEW | {"name": "Y"}, Idempotency_Key="k")).status == 422


WRONG: list[tuple[str, Any]] = [
    ("name", ""), ("name", "x" * 201), ("name", None), ("domain_names", []), ("domain_names", "initech.test"),
    ("domain_names", None), ("contact_email", "nobody"), ("contact_email", "a@b@c.test"), ("contact_email", ""),
    ("hi5_limit", -1), ("hi5_limit", 1_000_001), ("hi5_limit", 1.5), ("hi5_limit", True), ("hi5_limit", None),
    ("hi5_quota_renewal_frequency", "YEARLY"), ("hi5_quota_renewal_frequency", "weekly"), ("timezone", "Mars/Olympus"),
    ("timezone", ""), ("timezone", "CEST"), ("timezone", "../etc/passwd"), ("timezone", "europe/berlin"),
    ("recognition_hi5_cost", 2), ("status", "OPEN"), ("subscription_valid_upto", -1),
    ("subscription_valid_upto", "soon"),
    ("billing_contact_email", "bill"), ("zip_code", "9" * 21), ("city", "x" * 201), ("city", 5),
]  # fmt: skip
WRONG_DOMAINS = [
    "initech", "", "a b.test", "-a.test", "a-.test", "a..test", "x@initech.test", "initech.test/", "*.test", "1.2.3.4",
    "https://initech.test", "initech.test:80", "\u212aelvin.test", "a" * 64 + ".test", "_dmarc.initech.test",
]  # fmt: skip


async def test_wrong_fields_are_refused_by_name(world: World) -> None:
    for field, value in WRONG:
        reply = await world.post("root", "/organisations", NEW | {field: value})
        assert (reply.status, set(reply.error["fields"])) == (400, {field}), (field, value)
        assert reply.error["message"] == "Invalid organisation data"
    for domain in WRONG_DOMAINS:
        reply = await world.post("root", "/organisations", NEW | {"domain_names": ["fine.test", domain]})
        assert (reply.status, set(reply.error["fields"])) == (400, {"domain_names"}), domain
    twice = await world.post("root", "/organisations", NEW | {"domain_names": ["fine.test", "FINE.test"]})
    assert set(twice.error["fields"]) == {"domain_names"}
    assert set((await world.post("root", "/organisations", {})).error["fields"]) == set(NEW)


async def test_only_a_super_admin_begins_and_lists_organisations(world: World) -> None:
    for who in ("ada", "emil", "mona"):
        assert (await world.post(who, "/organisations", NEW)).status == 403
        assert (await world.get(who, "/organisations")).status == 403


async def test_the_list_is_in_the_order_of_ids_and_in_pages(world: World) -> None:
    reply = await world.get("root", "/organisations?limit=1&total=true")
    assert [one["name"] for one in reply.data] == ["Acme"]
    assert reply.body["meta"]["total"] == 2
    rest = await world.get("root", f"/organisations?cursor={reply.body['meta']['next_cursor']}")
    assert [(one["name"], one["domain_names"]) for one in rest.data] == [("Globex", ["globex.test"])]
    assert 'rel="next"' in reply.headers["Link"]


async def test_a_domain_belongs_to_one_organisation(world: World) -> None:
    reply = await world.post("root", "/organisations", NEW | {"domain_names": ["new.test", "ACME.test"]})
    assert (reply.status, reply.error["code"], set(reply.error["fields"])) == (409, "conflict", {"domain_names"})
    assert (await world.post("root", "/organisations", NEW | {"domain_names": ["new.test"]})).status == 201
    assert (
        await world.ask("ada", "PATCH", f"/organisations/{world.acme}", {"domain_names": ["globex.test"]})
    ).status == 409


async def test_of_many_who_want_a_domain_at_once_one_gets_it(world: World) -> None:
    wanted = (
        NEW | {"name": f"No {number}", "domain_names": ["b.test", "a.test"][:: number % 2 * 2 - 1]}
        for number in range(12)
    )
    replies = await asyncio.gather(*(world.post("root", "/organisations", body) for body in wanted))
    assert Counter(reply.status for reply in replies) == {201: 1, 409: 11}


async def test_a_domain_that_was_given_up_can_be_taken(world: World) -> None:
    path = f"/organisations/{world.acme}"
    changed = await world.ask("ada", "PATCH", path, {"domain_names": ["acme.example", "acme.test"]})
    assert changed.data["domain_names"] == ["acme.example", "acme.test"]
    assert (await world.ask("ada", "PATCH", path, {"domain_names": ["acme.example"]})).status == 200
    assert (
        await world.ask("gus", "PATCH", f"/organisations/{world.globex}", {"domain_names": ["acme.test"]})
    ).status == 200


async def test_domains_are_shown_as_they_are_written(world: World) -> None:
    made = await world.post("root", "/organisations", NEW | {"domain_names": ["BÜCHER.example"]})
    assert made.data["domain_names"] == ["bücher.example"]
    same = await world.post("root", "/organisations", NEW | {"domain_names": ["xn--bcher-kva.example"]})
    assert same.status == 409


async def test_members_see_their_organisation_without_billing(world: World) -> None:
    for who in ("emil", "mona"):
        mine = await world.get(who, "/organisations/me")
        assert set(mine.data) == {"id", *NEW, *RECORD} - BILLING
        assert (await world.get(who, f"/organisations/{world.acme}")).data == mine.data
    assert set((await world.get("ada", "/organisations/me")).data) == {"id", *NEW, *RECORD}


async def test_an_organisation_of_others_is_not_there(world: World) -> None:
    for who in ("ada", "emil"):
        foreign, unknown = (
            await world.get(who, f"/organisations/{world.globex}"),
            await world.get(who, "/organisations/999999"),
        )
        assert (foreign.status, foreign.raw) == (404, unknown.raw)
    patched = await world.ask("ada", "PATCH", f"/organisations/{world.globex}", {"name": "Ours"})
    assert patched.error == {"code": "not_found", "message": "Organisation not found"}
    put = await world.put("ada", f"/organisations/{world.globex}", NEW)
    assert (put.status, set(put.error["fields"])) == (400, {"id"})
    assert (await world.put("ada", "/organisations/999999", NEW)).raw == put.raw
    assert (await world.put("root", "/organisations/999999", NEW)).raw == put.raw
    assert (await world.get("root", "/organisations/999999")).status == 404


async def test_a_super_admin_names_the_organisation_of_mine(world: World) -> None:
    assert (await world.get("root", "/organisations/me")).status == 400
    assert (await world.get("root", f"/organisations/me?org_id={world.globex}")).data["name"] == "Globex"
    assert (await world.get("root", f"/organisations/{world.globex}")).data["name"] == "Globex"


async def test_an_admin_writes_the_settings(world: World) -> None:
    path = f"/organisations/{world.acme}"
    before = (await world.get("ada", path)).data
    wanted = NEW | {"domain_names": ["acme.test"], "recognition_hi5_cost": 1, "city": "Bonn"}
    assert (await world.put("ada", path, wanted)).data == before | wanted
    patched = await world.ask("ada", "PATCH", path, {"hi5_limit": 3, "city": None})
    assert patched.data == before | wanted | {"hi5_limit": 3, "city": None}
    told = await world.told(OrganisationChanged, organisation_id=world.acme)
    assert [(event["version"], event["hi5_limit"], event["timezone"]) for event in told] == [
        (2, 5, "America/Chicago"),
        (3, 3, "America/Chicago"),
    ]
    assert (await world.get("emil", "/users/me")).data["hi5_quota_balance"] == 3


async def test_what_the_installation_keeps_is_not_the_admins_to_change(world: World) -> None:
    path = f"/organisations/{world.acme}"
    kept = {"number": "1", "status": "CLOSED", "subscription_status": "paid", "subscription_valid_upto": 1_900_000_000}
    before = (await world.get("ada", path)).data
    assert (await world.ask("ada", "PATCH", path, kept)).data == before
    assert (await world.ask("root", "PATCH", path, kept | {"status": "ACTIVE"})).data == before | kept | {
        "status": "ACTIVE"
    }


async def test_keys_that_nobody_sets_change_nothing(world: World) -> None:
    path = f"/organisations/{world.acme}"
    before = (await world.get("root", path)).data
    for extra in ({"id": 999}, {"version": 9}, {"created_at": 1}, {"org_id": 5}, {}):
        assert (await world.ask("root", "PATCH", path, extra)).data == before
    assert not await world.told(OrganisationChanged)


async def test_wrong_patches_are_refused_by_name(world: World) -> None:
    for field, value in WRONG:
        reply = await world.ask("root", "PATCH", f"/organisations/{world.acme}", {field: value})
        assert (reply.status, set(reply.error["fields"])) == (400, {field}), (field, value)


async def test_members_change_nothing(world: World) -> None:
    for who in ("emil", "mona"):
        assert (await world.ask(who, "PATCH", f"/organisations/{world.acme}", {"name": "Ours"})).status == 403
        assert (await world.put(who, f"/organisations/{world.acme}", NEW)).status == 403


async def test_a_stale_change_is_refused(world: World) -> None:
    path = f"/organisations/{world.acme}"
    stale = (await world.get("ada", path)).headers["ETag"]
    assert (await world.ask("ada", "PATCH", path, {"city": "Bonn"}, If_Match=stale)).status == 200
    again = await world.ask("ada", "PATCH", path, {"city": "Ulm"}, If_Match=stale)
    assert (again.status, again.error["code"]) == (412, "version_mismatch")
    assert (await world.put("ada", path, NEW | {"domain_names": ["acme.test"]}, If_Match=stale)).status == 412


async def test_a_suspended_organisation_is_shut_out_and_comes_back(world: World) -> None:
    path = f"/organisations/{world.acme}"
    assert (await world.ask("root", "PATCH", path, {"status": "SUSPENDED"})).status == 200
    for who in ("ada", "emil"):
        assert (await world.get(who, "/users/me")).error["code"] == "invalid_token"
        assert (await world.sign_in(who)).status == 401
    assert (await world.get("gus", "/users/me")).status == 200
    assert (await world.get("root", path)).data["status"] == "SUSPENDED"
    assert (await world.ask("root", "PATCH", path, {"status": "CLOSED"})).status == 200
    assert (await world.get("emil", "/users/me")).status == 401
    assert (await world.ask("root", "PATCH", path, {"status": "ACTIVE"})).status == 200
    assert (await world.sign_in("ada")).status == 200
    assert (await world.get("emil", "/users/me")).status == 200
    told = await world.told(SessionRevoked, organisation_id=world.acme)
    assert [(event["lifted"], event["version"]) for event in told] == [(False, 2), (True, 4)]


async def test_another_process_hears_of_the_suspension_within_a_second(world: World) -> None:
    await world.owner.execute(
        "INSERT INTO revocations (credential, version, expires_at) VALUES ($1, 2, now() + interval '1 hour')",
        f"organisation:{world.acme}",
    )

    async def is_refused() -> bool:
        return (await world.get("emil", "/users/me")).status == 401

    await eventually(is_refused, within=1)
