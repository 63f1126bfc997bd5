"""Rows of recognitions from before: they keep their time and cost nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.auth.commands.imports import find_people
from services.auth.store.imports import Known
from services.importing.outcome import Checked, Outcome, Rejection
from services.recognition.commands import imports
from services.recognition.commands.recognitions import import_recognitions
from services.recognition.store.imports import Colleague
from services.recognition.store.recognitions import Imported
from shared import outbox
from shared.clock import Clock
from shared.database import Database

NOBODY = "Nobody of this organisation has this address; import the people first."
ONESELF = "given_for: Nobody gives a recognition to themselves."
FUTURE = "given_at: Lies in the future; give epoch seconds, not milliseconds, or mend the date."
NO_SUCH_VALUE = "core_value: No core value has this text; import the core values first."


class Recognitions:
    """Asks auth's tables who an address is, so that no event has to have arrived before."""

    def __init__(self, auth: Database, recognition: Database, org_id: int, clock: Clock) -> None:
        self._auth, self._recognition, self._org_id, self._clock = auth, recognition, org_id, clock

    async def take(self, rows: Sequence[Checked]) -> Outcome:
        people = await self._people(rows)
        rejected = list(self._refusals(rows, people))
        refused = {rejection.row.line for rejection in rejected}
        return await self._keep([one for one in rows if one.row.line not in refused], people, rejected)

    async def finish(self) -> Outcome:
        return Outcome()

    async def _people(self, rows: Sequence[Checked]) -> dict[str, Known]:
        addresses = {one.values[role] for one in rows for role in ("given_by", "given_for")}
        async with self._auth.transaction(self._org_id, read_only=True) as tx:
            return await find_people(tx, addresses)

    def _refusals(self, rows: Sequence[Checked], people: Mapping[str, Known]) -> Iterator[Rejection]:
        now = self._clock()
        for one in rows:
            unknown = [role for role in ("given_by", "given_for") if one.values[role] not in people]
            if unknown:
                yield one.refused("; ".join(f"{role}: {NOBODY}" for role in unknown))
            elif people[one.values["given_by"]] == people[one.values["given_for"]]:
                yield one.refused(ONESELF)
            elif one.values["given_at"] > now:
                yield one.refused(FUTURE)

    async def _keep(
        self, rows: Sequence[Checked], people: Mapping[str, Known], rejected: Sequence[Rejection]
    ) -> Outcome:
        async with self._recognition.transaction(self._org_id) as tx:
            await outbox.in_bulk(tx)
            values = await imports.hold_core_values(tx, {one.values["core_value"] for one in rows})
            taken = [one for one in rows if one.values["core_value"] in values]
            await imports.ensure_members(tx, _colleagues(taken, people))
            new = await import_recognitions(tx, [_imported(one.values, people, values) for one in taken])
        valueless = [one.refused(NO_SUCH_VALUE) for one in rows if one.values["core_value"] not in values]
        return Outcome(new, len(taken) - new, [*rejected, *valueless])


def _colleagues(rows: Sequence[Checked], people: Mapping[str, Known]) -> list[Colleague]:
    met = {people[one.values[role]] for one in rows for role in ("given_by", "given_for")}
    return [Colleague(*person) for person in met]


def _imported(values: Mapping[str, Any], people: Mapping[str, Known], core_values: Mapping[str, int]) -> Imported:
    given_by, given_for = people[values["given_by"]].user_id, people[values["given_for"]].user_id
    core_value_id, text, given_at = core_values[values["core_value"]], values["text"], values["given_at"]
    key = values["external_id"] or _fingerprint(given_by, given_for, core_value_id, given_at, text)
    return Imported(key, given_by, given_for, core_value_id, text, given_at)


def _fingerprint(given_by: int, given_for: int, core_value_id: int, given_at: datetime, text: str) -> str:
    """The key of a row that has none: the same for the same recognition, however the file spells it."""
    facts = f"{given_by} {given_for} {core_value_id} {given_at.isoformat()} {text}"
    return f"sha256:{hashlib.sha256(facts.encode()).hexdigest()}"
