"""TM-7 in moderation: a case, its reports and its reviews, in the order in which they came."""

from __future__ import annotations

from tests.component.moderation.world import ADMIN, ANNA, BEN, CLEO, MODERATOR, Api, World, given
from tests.support.log import told


async def test_tm7_a_case_from_its_first_report_to_its_last_review(api: Api, world: World) -> None:
    await world.hears(given(100, ANNA, CLEO))
    assert (await api.report(BEN, 100, "fraud", "Never happened")).status == 201
    assert (await api.hide(MODERATOR, 100)).status == 201
    assert (await api.dismiss(MODERATOR, 100)).status == 201
    log = told(await api.get(ADMIN, "/moderation/cases/100/historylog"))
    assert [(actor, action) for actor, action, _ in log] == [
        (BEN.user_id, "created"),
        (BEN.user_id, "report_created"),
        (MODERATOR.user_id, "review_created"),
        (MODERATOR.user_id, "changed"),
        (MODERATOR.user_id, "review_created"),
        (MODERATOR.user_id, "changed"),
    ]
    assert log[1][2]["reason"] == (None, "Never happened")
    assert [changes for _, action, changes in log if action == "changed"] == [
        {"state": ("open", "hidden")},
        {"state": ("hidden", "dismissed")},
    ]
    assert len((await api.get(ADMIN, "/moderation/cases/historylog")).data) == 6


async def test_tm7_moderators_and_employees_do_not_read_it(api: Api, world: World) -> None:
    await world.hears(given(100, ANNA, CLEO))
    await api.report(BEN, 100)
    for caller in (ANNA, MODERATOR):
        assert (await api.get(caller, "/moderation/cases/100/historylog")).code == (403, "access_denied")
