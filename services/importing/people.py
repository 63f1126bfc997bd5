"""Rows of people: each becomes a member of the organisation, known by the e-mail address."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from services.auth.commands.imports import import_people
from services.auth.commands.people import Enrolment
from services.auth.domain.names import domain_of_email
from services.auth.domain.profiles import profile_of_names
from services.importing.outcome import Checked, Outcome
from shared import outbox
from shared.clock import Clock
from shared.database import Database

FOREIGN = "email: The domain is none of the organisation's; add it to the organisation or mend the address."
ELSEWHERE = "email: This address belongs to an account outside of this organisation."


class People:
    """`domains` are the organisation's, as DNS spells them."""

    def __init__(self, auth: Database, org_id: int, domains: Collection[str], clock: Clock) -> None:
        self._auth, self._org_id, self._domains, self._clock = auth, org_id, frozenset(domains), clock

    async def take(self, rows: Sequence[Checked]) -> Outcome:
        rejected = [one.refused(FOREIGN) for one in rows if not self._is_ours(one)]
        ours = [one for one in rows if self._is_ours(one)]
        async with self._auth.transaction(self._org_id) as tx:
            await outbox.in_bulk(tx)
            enrolled = await import_people(tx, [_enrolment(one) for one in ours], self._clock())
        elsewhere = [one.refused(ELSEWHERE) for one in ours if one.values["email"] in enrolled.elsewhere]
        unchanged = len(ours) - enrolled.joined - len(elsewhere)
        return Outcome(enrolled.joined, unchanged, rejected + elsewhere)

    async def finish(self) -> Outcome:
        return Outcome()

    def _is_ours(self, one: Checked) -> bool:
        return domain_of_email(one.values["email"]).key in self._domains


def _enrolment(one: Checked) -> Enrolment:
    person = one.values
    optional = {name: person.get(name) for name in ("profile_image_url", "phone", "department")}
    profile = profile_of_names(person["first_name"], person["last_name"], person["display_name"], **optional)
    return Enrolment(person["email"], profile, person["role_id"])
