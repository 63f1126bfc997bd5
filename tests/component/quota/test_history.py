"""TM-7 in quota: each policy as it came, and every adjustment with who made it and why."""

from __future__ import annotations

from dataclasses import replace

from tests.component.quota.world import ADMIN, ANNA, BEN, LIMIT, Api, World, organisation
from tests.support.api import ACME
from tests.support.log import told


async def test_tm7_adjustments_of_a_person(api: Api, world: World) -> None:
    assert (await api.adjust(ADMIN, ANNA.user_id, 3, "For the fair")).status == 201
    assert (await api.adjust(ADMIN, ANNA.user_id, -1, "A mistake")).status == 201
    log = told(await api.get(ADMIN, f"/quota/users/{ANNA.user_id}/historylog"))
    assert [(actor, action) for actor, action, _ in log] == [(ADMIN.user_id, "adjustment_created")] * 2
    assert [(changes["amount"], changes["reason"]) for _, _, changes in log] == [
        ((None, 3), (None, "For the fair")),
        ((None, -1), (None, "A mistake")),
    ]
    assert isinstance(log[0][2]["at"][1], int)
    assert (await api.get(BEN, f"/quota/users/{ANNA.user_id}/historylog")).code == (403, "access_denied")


async def test_tm7_a_policys_entry_names_who_changed_the_settings(api: Api, world: World) -> None:
    changed = replace(organisation(2, 3, timezone="Europe/Berlin"), changed_by=ADMIN.user_id)
    assert await world.hears(changed) == "handled"
    assert await world.hears(organisation(3, 4)) == "handled"
    log = told(await api.get(ADMIN, f"/policies/{ACME}/historylog"))
    assert [actor for actor, _, _ in log] == [None, ADMIN.user_id, None]


async def test_tm7_policies_follow_the_settings_and_are_the_platforms_doing(api: Api, world: World) -> None:
    log = told(await api.get(ADMIN, f"/policies/{ACME}/historylog"))
    assert [(actor, action, changes["hi5_limit"]) for actor, action, changes in log] == [
        (None, "created", (None, LIMIT))
    ]
    assert (await api.get(ADMIN, "/policies/historylog")).data == (
        await api.get(ADMIN, f"/policies/{ACME}/historylog")
    ).data
