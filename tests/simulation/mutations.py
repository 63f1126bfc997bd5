"""Each guard taken away: what the simulator is good for is shown by what it catches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

import asyncpg

from services.auth import consumers as shown
from services.catalogue import SERVICES
from services.quota import domain as books
from services.quota.domain import Book, Place, Policy, Settings
from services.recognition.store import allowances as rights
from shared import members, relay
from shared.contracts.quota import Adjustment
from shared.contracts.recognition import Allowance
from shared.database import Connection
from shared.envelope import Received
from shared.idempotency import Key, claim
from shared.inbox import Inbox, Kept, MissingPrerequisite, note
from shared.periods import Window
from shared.relay import Outcome, Relay
from tests.simulation.themes import ADJUSTMENTS, CALENDARS, LEAVING, LIMITS, MODERATION, THEMES


@dataclass(frozen=True, slots=True)
class Edit:
    """Other words in a SQL function; the old ones have to be there."""

    function: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """A guard that is missing: in the database of the simulation, or in this process."""

    name: str
    theme: int | None = None
    """Of which seeds it is to be caught; of any when it is None."""
    edits: tuple[Edit, ...] = ()
    statements: tuple[str, ...] = ()
    patches: tuple[tuple[str, Any], ...] = ()

    def seeds(self, most: int) -> range:
        return range(most) if self.theme is None else range(self.theme, most * len(THEMES), len(THEMES))

    async def apply(self, admin: asyncpg.Connection[asyncpg.Record]) -> None:
        for statement in self.statements:
            await admin.execute(statement)
        for edit in self.edits:
            text = await admin.fetchval("SELECT pg_get_functiondef($1::regproc)", edit.function)
            if edit.old not in text:
                raise LookupError(f"{edit.function} does not say {edit.old!r} any more")
            await admin.execute(f"SET search_path = {edit.function.partition('.')[0]}")
            await admin.execute(text.replace(edit.old, edit.new))
            await admin.execute("RESET search_path")

    @contextmanager
    def in_force(self) -> Iterator[None]:
        with ExitStack() as stack:
            for name, replacement in self.patches:
                stack.enter_context(patch(name, replacement))
            yield


NEWER = "WHERE known.version < excluded.version"
policy_of, keep, send_batch = books.policy_of, Inbox._keep, Relay._send_batch


async def send_by_cursor(self: Relay, batch: int, bulk: bool, tx: Connection, outcome: Outcome) -> bool:
    """Goes on behind what was seen, whether it is marked as sent or not."""
    seen: int = self.__dict__.setdefault("seen", 0)
    behind = relay._NEXT.replace("sent_at IS NULL", f"sent_at IS NULL AND id > {seen}")
    self.__dict__["seen"] = await tx.fetchval("SELECT max(id) FROM outbox WHERE position IS NOT NULL")
    with patch("shared.relay._NEXT", behind):
        return await send_batch(self, batch, bulk, tx, outcome)


async def add_adjustments(tx: Connection, user_id: int, version: int, made: Sequence[Adjustment]) -> None:
    """Adds what comes to what is there."""
    await tx.fetchval(rights._KEEP_SET, user_id, version)
    for one in made:
        await tx.execute(
            "INSERT INTO adjustments (user_id, id, at, amount) SELECT $1, coalesce(max(id), 0) + 1,"
            " to_timestamp($2::bigint), $3 FROM adjustments",
            user_id,
            one.at,
            one.amount,
        )


def book_what_comes(book: Book | None, allowance: Allowance, *, outlived: bool) -> Place:
    return Place.NEXT


def fold_as_they_came(history: Iterable[Settings]) -> Policy:
    return policy_of(replace(one, version=number) for number, one in enumerate(history, 1))


async def drop_what_waits(self: Inbox, tx: Connection, received: Received[Any], body: bytes, error: Exception) -> Kept:
    if not isinstance(error, MissingPrerequisite):
        return await keep(self, tx, received, body, error)
    await note(tx, received, self._clock())
    return "handled"


async def do_nothing(*_: Any, **__: Any) -> None:
    """What the real one did is missing."""


async def forget_keys(tx: Connection, key: Key) -> None:
    """Every request is a first one."""
    await tx.execute("DELETE FROM idempotency_keys WHERE caller = $1 AND key = $2", key.caller, key.key)
    await claim(tx, key)


def whole_window(nominal: Window, previous_end: datetime | None, next_start: datetime | None) -> Window:
    return nominal


def in_every_schema(function: str, old: str, new: str) -> tuple[Edit, ...]:
    return tuple(Edit(f"{service.name}.{function}", old, new) for service in SERVICES)


MUTATIONS = (
    Mutation(
        "an event that was handled is handled again",
        edits=(
            *in_every_schema("claim_event", "RETURN FOUND", "RETURN true"),
            *in_every_schema(
                "claim_events", "ON CONFLICT DO NOTHING", "ON CONFLICT (event_id) DO UPDATE SET type = excluded.type"
            ),
        ),
    ),
    Mutation(
        "a spend does not look at what is left",
        edits=(Edit("recognition.spend", "held.spent_total - held.refunded_total >= entitled.target", "false"),),
        statements=(
            "ALTER TABLE recognition.allowances DROP CONSTRAINT allowances_never_overspent",
            "ALTER TABLE recognition.spends DROP CONSTRAINT spends_check, DROP CONSTRAINT spends_check1",
        ),
    ),
    Mutation(
        "a spend does not look at what is left, the constraints still do",
        edits=(Edit("recognition.spend", "held.spent_total - held.refunded_total >= entitled.target", "false"),),
    ),
    Mutation(
        "who left may spend",
        LEAVING,
        edits=(Edit("recognition.spend", "held.closed_version IS NOT NULL OR NOT entitled.active", "false"),),
    ),
    Mutation(
        "leaving closes nothing",
        LEAVING,
        patches=(("services.recognition.commands.allowances.follow_member", do_nothing),),
    ),
    Mutation(
        "the policy that came last is in force, not the newest",
        LIMITS,
        edits=(Edit("recognition.entitlement", "ORDER BY version DESC", "ORDER BY ctid DESC"),),
    ),
    Mutation(
        "adjustments do not count where hi5s are spent",
        ADJUSTMENTS,
        edits=(Edit("recognition.entitlement", "target + coalesce(", "target + 0 * coalesce("),),
    ),
    Mutation(
        "adjustments are added up instead of replaced",
        ADJUSTMENTS,
        patches=(("services.recognition.store.allowances.keep_adjustments", add_adjustments),),
    ),
    Mutation(
        "an older set of adjustments replaces a newer one",
        ADJUSTMENTS,
        patches=(("services.recognition.store.allowances._KEEP_SET", rights._KEEP_SET.replace(NEWER, "")),),
    ),
    Mutation(
        "windows of one person may overlap",
        CALENDARS,
        statements=("ALTER TABLE recognition.allowances DROP CONSTRAINT allowances_one_at_a_time",),
        patches=(("shared.periods.cut", whole_window),),
    ),
    Mutation(
        "hides and restores are applied as they come",
        MODERATION,
        edits=(
            Edit("recognition.moderate", "step <= subject.moderation_version", "false"),
            Edit("recognition.moderate", "step > subject.moderation_version + 1", "false"),
        ),
    ),
    Mutation(
        "a spend may be refunded twice",
        MODERATION,
        edits=(Edit("recognition.moderate", "AND hi5.void_at IS NULL", ""),),
        statements=("ALTER TABLE recognition.refunds DROP CONSTRAINT refunds_pkey",),
    ),
    Mutation(
        "a hide gives back hi5s of past periods",
        edits=(Edit("recognition.moderate", "AND held.starts_at <= moment AND held.ends_at > moment", ""),),
    ),
    Mutation(
        "a lowered limit takes back what is spent",
        LIMITS,
        edits=(
            Edit(
                "recognition.refund",
                "greatest(coalesce(entitled.target, granted), spent_total - refunded_total - 1)",
                "coalesce(entitled.target, granted)",
            ),
        ),
    ),
    Mutation(
        "somebody may give two hi5s on one recognition",
        statements=("DROP INDEX recognition.hi5s_once",),
    ),
    Mutation(
        "an idempotency key is forgotten",
        edits=(Edit("recognition.claim_key", "IF FOUND THEN", "IF true THEN"),),
        patches=(("shared.idempotency.claim", forget_keys),),
    ),
    Mutation(
        "the ledger books in the order of arrival",
        patches=(("services.quota.domain.place", book_what_comes),),
    ),
    Mutation(
        "settings are folded in the order of arrival",
        CALENDARS,
        patches=(("services.quota.domain.policy_of", fold_as_they_came),),
    ),
    Mutation(
        "an older state of a person replaces a newer one",
        LEAVING,
        patches=(("shared.members._KEEP_MEMBER", members._KEEP_MEMBER.replace(NEWER, "")),),
    ),
    Mutation(
        "an older balance replaces a newer one",
        patches=(("services.auth.consumers._BALANCE", shown._BALANCE.replace(NEWER, "")),),
    ),
    Mutation(
        "what comes too early is dropped instead of parked",
        MODERATION,
        patches=(("shared.inbox.Inbox._keep", drop_what_waits),),
    ),
    Mutation(
        "the relay goes on behind a cursor, not by the mark of each row",
        patches=(("shared.relay.Relay._send_batch", send_by_cursor),),
    ),
    Mutation(
        "requests for lost events are ignored",
        patches=(("shared.consumer.enqueue", do_nothing),),
    ),
    Mutation(
        "nobody learns how far a publisher has come",
        patches=(("shared.consumer.note_heads", do_nothing),),
    ),
)
