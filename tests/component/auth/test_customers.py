"""/customers (PA-5): PeerAssist's customer record over the rows of organisations."""

from __future__ import annotations

from typing import Any

from shared.contracts.auth import OrganisationChanged, OrganisationCreated, SessionRevoked
from tests.component.auth.world import World

# What the document's own example sends.
ASKED = {
    "address1": "1234 Test Address", "address2": "", "billingContact": "Test Contact",
    "billingContactEmail": "billing@customer.test", "billingContactPhone": "0000000000", "billingTemplateId": 0,
    "city": "", "contactEmail": "contact@customer.test", "contactName": "Test Contact", "contactPhone": "0000000000",
    "id": 0, "name": "Test New Customer", "number": "01000", "state": "OH", "status": "ACTIVE", "tradeTemplateId": 0,
    "updateFWOs": False, "updateProjects": False, "zipCode": "",
}  # fmt: skip
KEYS = [
    "id", "name", "number", "address1", "address2", "city", "state", "zipCode", "contactName", "contactEmail",
    "billingContact", "billingContactEmail", "billingContactPhone", "contactPhone", "status",
]  # fmt: skip
NOT_KEPT = {"id", "billingTemplateId", "tradeTemplateId", "updateFWOs", "updateProjects"}


async def made(world: World, **changes: Any) -> dict[str, Any]:
    reply = await world.post("root", "/customers", ASKED | changes)
    assert reply.status == 200, reply.raw
    return dict(reply.body)


async def test_pa5_the_documents_example_makes_a_customer_with_200(world: World) -> None:
    customer = await made(world)
    assert list(customer) == KEYS
    assert customer == {"id": customer["id"], **{name: ASKED[name] for name in ASKED if name not in NOT_KEPT}}
    assert customer["id"] > 0
    shown = await world.get("root", f"/customers/{customer['id']}")
    assert (shown.status, shown.body) == (200, customer)
    assert shown.headers["ETag"].startswith('"1.')


async def test_pa5_it_is_the_same_row_as_the_organisation(world: World) -> None:
    customer = await made(world)
    organisation = (await world.get("root", f"/organisations/{customer['id']}")).data
    assert organisation["zip_code"] == ""
    assert organisation["billing_contact_email"] == "billing@customer.test"
    untold = {"domain_names": [], "hi5_limit": 0, "hi5_quota_renewal_frequency": "MONTHLY", "timezone": "UTC"}
    assert organisation | untold == organisation
    [event] = await world.told(OrganisationCreated, organisation_id=customer["id"])
    assert (event["name"], event["hi5_limit"]) == ("Test New Customer", 0)
    await world.ask("root", "PATCH", f"/organisations/{customer['id']}", {"city": "Columbus", "hi5_limit": 7})
    assert (await world.get("root", f"/customers/{customer['id']}")).body == customer | {"city": "Columbus"}
    again = await world.put("root", f"/customers/{customer['id']}", {"name": "N", "contactEmail": "c@customer.test"})
    assert again.body["city"] == "Columbus"
    assert (await world.get("root", f"/organisations/{customer['id']}")).data["hi5_limit"] == 7


async def test_pa5_a_customer_is_written_anew_and_what_is_not_named_stays(world: World) -> None:
    customer = await made(world)
    path = f"/customers/{customer['id']}"
    asked = {"name": "Renamed", "contactEmail": "new@customer.test", "zipCode": "43215"}
    reply = await world.put("root", path, asked)
    assert (reply.status, reply.body) == (200, customer | asked)
    [event] = await world.told(OrganisationChanged, organisation_id=customer["id"])
    assert (event["name"], event["version"]) == ("Renamed", 2)
    assert (await world.put("root", path, asked)).body == reply.body
    assert len(await world.told(OrganisationChanged, organisation_id=customer["id"])) == 1


async def test_pa5_a_suspended_customer_is_locked_out_at_once(world: World) -> None:
    asked = {"name": "Acme", "contactEmail": "office@example.com", "status": "SUSPENDED"}
    assert (await world.put("root", f"/customers/{world.acme}", asked)).body["status"] == "SUSPENDED"
    assert (await world.get("emil", "/users/me")).status == 401
    assert len(await world.told(SessionRevoked, organisation_id=world.acme)) == 1


async def test_pa5_a_stale_version_is_refused(world: World) -> None:
    path, asked = f"/customers/{world.acme}", {"name": "Acme", "contactEmail": "new@example.com"}
    stale = (await world.get("root", path)).headers["ETag"]
    assert (await world.put("root", path, asked, If_Match=stale)).status == 200
    assert (await world.put("root", path, asked | {"city": "X"}, If_Match=stale)).code == (412, "version_mismatch")
    assert (await world.get("root", path, If_None_Match=stale)).status == 200


async def test_pa5_the_list_is_a_bare_array_in_pages(world: World) -> None:
    everything = await world.get("root", "/customers?total=true")
    assert [customer["id"] for customer in everything.body] == [world.acme, world.globex]
    assert [list(customer) for customer in everything.body] == [KEYS, KEYS]
    assert everything.headers["X-Total-Count"] == "2"
    first = await world.get("root", "/customers?limit=1")
    assert "X-Total-Count" not in first.headers
    assert [customer["id"] for customer in first.body] == [world.acme]
    following = next(part for part in first.headers["Link"].split(", ") if 'rel="next"' in part)
    second = await world.get("root", following[1 : following.index(">")])
    assert [customer["id"] for customer in second.body] == [world.globex]
    assert [one["id"] for one in (await world.get("root", "/customers?page=2&page_size=1")).body] == [world.globex]


async def test_pa5_the_same_request_again_makes_no_second_customer(world: World) -> None:
    replies = [await world.post("root", "/customers", ASKED, Idempotency_Key="once") for _ in range(2)]
    assert replies[0].body == replies[1].body
    assert replies[1].headers["Idempotency-Replayed"] == "true"


WRONG: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"name", "contactEmail"}),
    (ASKED | {"name": ""}, {"name"}),
    (ASKED | {"name": None}, {"name"}),
    (ASKED | {"contactEmail": "nobody"}, {"contactEmail"}),
    (ASKED | {"billingContactEmail": "nobody"}, {"billingContactEmail"}),
    (ASKED | {"status": "active"}, {"status"}),
    (ASKED | {"zipCode": "x" * 21, "contactPhone": 5}, {"zipCode", "contactPhone"}),
    (ASKED | {"address1": "x" * 201, "number": "x" * 51}, {"address1", "number"}),
]


async def test_pa5_wrong_records_are_refused_by_the_names_of_the_wire(world: World) -> None:
    for method, path in (("POST", "/customers"), ("PUT", f"/customers/{world.acme}")):
        for body, wrong in WRONG:
            reply = await world.ask("root", method, path, body)
            assert (reply.status, reply.error["message"]) == (400, "Invalid customer data")
            assert set(reply.error["fields"]) == wrong


async def test_pa5_the_installation_itself_and_unknown_ids_are_no_customers(world: World) -> None:
    body = {"name": "N", "contactEmail": "c@customer.test"}
    assert (await world.get("root", "/customers/999999")).code == (404, "not_found")
    for wrong in ("0", "x"):
        assert (await world.get("root", f"/customers/{wrong}")).status == 400
        assert (await world.put("root", f"/customers/{wrong}", body)).status == 400
    reply = await world.put("root", "/customers/999999", body)
    assert (reply.status, set(reply.error["fields"])) == (400, {"id"})


async def test_pa5_only_who_runs_the_installation_sees_customers(world: World) -> None:
    for method, path in (
        ("GET", "/customers"),
        ("POST", "/customers"),
        ("GET", f"/customers/{world.acme}"),
        ("PUT", f"/customers/{world.acme}"),
    ):
        body = None if method == "GET" else ASKED
        assert (await world.ask(None, method, path, body)).status == 401
        for who in ("ada", "mona", "emil"):
            assert (await world.ask(who, method, path, body)).code == (403, "access_denied")
