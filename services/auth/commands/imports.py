"""What an import does with many people in one transaction; the same people again change nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.auth.commands.people import Enrolment, enrol_people
from services.auth.domain.names import fold_email
from services.auth.store import imports as rows
from services.auth.store.imports import Known
from shared.database import Connection


@dataclass(frozen=True, slots=True)
class Enrolled:
    """How many are new; and the addresses of accounts that are no members of this organisation."""

    joined: int
    elsewhere: frozenset[str]


async def import_people(tx: Connection, people: Sequence[Enrolment], now: datetime) -> Enrolled:
    """Enters who is not here; who is stays as they are, who left stays away."""
    joined = await enrol_people(tx, people, now)
    addresses = {person.email for person in people}
    return Enrolled(len(joined), frozenset(addresses - (await find_people(tx, addresses)).keys()))


async def find_people(tx: Connection, emails: Collection[str]) -> dict[str, Known]:
    """The organisation's people, who left among them, by the address as it was asked for."""
    folded = {email: fold_email(email) for email in emails}
    known = await rows.people_by_email(tx, set(folded.values()))
    return {email: known[key] for email, key in folded.items() if key in known}
