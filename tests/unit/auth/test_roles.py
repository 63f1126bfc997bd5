"""Who may give which role, and that somebody stays in charge."""

from __future__ import annotations

from itertools import product

import pytest

from services.auth.domain.organisations import BILLING, OPERATORS, changeable, without_billing
from services.auth.domain.roles import Standing, admin_role_of, check_change, check_grant, check_leaving
from shared.errors import AccessDenied, Conflict
from shared.identity import Role


def test_only_super_admins_make_super_admins() -> None:
    for granter, wanted in product(Role, Role):
        if wanted is Role.SUPER_ADMIN and granter is not Role.SUPER_ADMIN:
            with pytest.raises(AccessDenied):
                check_grant(granter, wanted)
        else:
            check_grant(granter, wanted)


def test_the_last_admin_neither_steps_down_nor_leaves() -> None:
    last = Standing(Role.ORGANISATION_ADMIN, is_present=True)
    for wanted in set(Role) - {Role.ORGANISATION_ADMIN}:
        with pytest.raises(Conflict):
            check_change(last, wanted, 0)
        check_change(last, wanted, 1)
    check_change(last, Role.ORGANISATION_ADMIN, 0)
    with pytest.raises(Conflict):
        check_leaving(last, 0)
    check_leaving(last, 1)


def test_who_left_already_or_leads_nothing_may_go() -> None:
    for standing in (
        Standing(Role.ORGANISATION_ADMIN, False),
        Standing(Role.EMPLOYEE, True),
        Standing(Role.MODERATOR, True),
    ):
        check_leaving(standing, 0)
        check_change(standing, Role.EMPLOYEE, 0)


def test_super_admins_lead_the_installation_and_join_nothing_else() -> None:
    assert admin_role_of(Role.SUPER_ADMIN) is Role.SUPER_ADMIN
    assert {admin_role_of(role) for role in set(Role) - {Role.SUPER_ADMIN}} == {Role.ORGANISATION_ADMIN}
    with pytest.raises(Conflict):
        check_change(Standing(Role.SUPER_ADMIN, True), Role.EMPLOYEE, 5)


def test_the_installations_records_are_not_an_admins_to_set() -> None:
    body = dict.fromkeys([*OPERATORS, "name", "city"], "x") | {"domain_names": [], "id": 5}
    assert set(changeable(body, by_super_admin=False)) == {"name", "city"}
    assert set(changeable(body, by_super_admin=True)) == {"name", "city", *OPERATORS}


def test_members_see_no_billing() -> None:
    assert set(without_billing(dict.fromkeys([*BILLING, "name"]))) == {"name"}
