"""What to do with events that could not be handled: `dead list|show|retry|drop` of each service.

Every word first brings the transport's dead queue into the service's `dead` table, so that each event has an id that
stays and none is lost while somebody looks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TextIO

import orjson

from shared.bus import Bus
from shared.clock import Clock, utc_now
from shared.database import Connection, Database
from shared.envelope import Undecodable, unseal
from shared.inbox import FORGED, bury

NOT_DONE = 1
REASON_WIDTH = 80

_LIST = "SELECT id, died_at, coalesce(type, '-') AS type, event_id, reason FROM dead ORDER BY id LIMIT $1"
_CHOSEN = "SELECT id, event_id, body, reason FROM dead WHERE id = ANY($1::bigint[]) OR $2 ORDER BY id FOR UPDATE"
_RETRY = "SELECT park_event($1, $2, $3, NULL, 'retried by a person', 0, $4, '-infinity')"
_DROP = "DELETE FROM dead WHERE id = ANY($1::bigint[]) OR $2 RETURNING id"


def parser(prog: str) -> argparse.ArgumentParser:
    """The words and what they take."""
    made = argparse.ArgumentParser(prog=prog, description="Events that this service could not handle.")
    words = made.add_subparsers(dest="word", metavar="WORD", required=True)
    listing = words.add_parser("list", help="show id, time, type and reason of each")
    listing.add_argument("--limit", type=int, default=100, help="at most so many (100)")
    show = words.add_parser("show", help="show one in full, as JSON where it is JSON")
    show.add_argument("ids", metavar="ID", type=int, nargs=1)
    for word, text in (
        ("retry", "give them back to the consumer; one that was handled in the meantime is only forgotten"),
        ("drop", "forget them for ever"),
    ):
        added = words.add_parser(word, help=text)
        added.add_argument("ids", metavar="ID", type=int, nargs="*")
        added.add_argument("--all", action="store_true", help="all of them")
    return made


async def run(
    options: argparse.Namespace,
    database: Database,
    bus: Bus,
    service: str,
    *,
    out: TextIO = sys.stdout,
    clock: Clock = utc_now,
) -> int:
    """Does what the parsed words say; returns the exit code. Raises `Unconfirmed` and what the database raises."""
    await collect(database, bus, service)
    lines, done = await _WORDS[options.word](options, database, clock)
    out.writelines(f"{line}\n" for line in lines)
    return 0 if done else NOT_DONE


async def collect(database: Database, bus: Bus, service: str) -> int:
    """Moves what is in the transport's dead queue to the table; returns how many."""

    async def keep(body: bytes, reason: str) -> None:
        try:
            received = None if reason.startswith(FORGED) else unseal(body)
        except Undecodable:
            received = None
        async with database.transaction() as tx:
            await bury(tx, body, reason, received)

    return await bus.exhume(service, keep)


Outcome = tuple[Sequence[str], bool]


async def _list(options: argparse.Namespace, database: Database, clock: Clock) -> Outcome:
    async with database.transaction(read_only=True) as tx:
        rows = await tx.fetch(_LIST, options.limit)
        total = await tx.fetchval("SELECT count(*) FROM dead")
    table = [("ID", "DIED AT", "TYPE", "EVENT", "REASON")]
    table += [
        (str(row["id"]), f"{row['died_at']:%Y-%m-%d %H:%M:%S}", row["type"], str(row["event_id"] or "-"), row["reason"])
        for row in rows
    ]
    more = [f"{total - len(rows)} more; --limit shows them"] if total > len(rows) else []
    return ([*_columns(table), *more] if rows else ["No dead events."]), True


def _columns(table: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), _short(row[-1])])
        for row in table
    ]


def _short(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= REASON_WIDTH else line[: REASON_WIDTH - 1] + "…"


async def _show(options: argparse.Namespace, database: Database, clock: Clock) -> Outcome:
    async with database.transaction(read_only=True) as tx:
        row = await tx.fetchrow("SELECT id, died_at, reason, body FROM dead WHERE id = $1", options.ids[0])
    if row is None:
        return [f"There is no dead event {options.ids[0]}; `dead list` shows the ids."], False
    return [f"id: {row['id']}", f"died at: {row['died_at']}", f"reason: {row['reason']}", _readable(row["body"])], True


def _readable(body: bytes) -> str:
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return repr(body)


async def _retry(options: argparse.Namespace, database: Database, clock: Clock) -> Outcome:
    async with database.transaction() as tx:
        rows = await tx.fetch(_CHOSEN, options.ids, options.all)
        results = [await _retry_one(tx, row, clock) for row in rows]
        unknown = _unknown(options, (row["id"] for row in rows))
    return [line for line, _ in results] + unknown, all(done for _, done in results) and not unknown


async def _retry_one(tx: Connection, row: Any, clock: Clock) -> tuple[str, bool]:
    if row["reason"].startswith(FORGED):
        return f"{row['id']}: not retried: {row['reason']}", False
    try:
        received = unseal(row["body"])
    except Undecodable as error:
        return f"{row['id']}: not retried: this version cannot read it: {error}", False
    await tx.execute(_RETRY, received.id, received.type, row["body"], clock())
    await tx.execute("DELETE FROM dead WHERE id = $1", row["id"])
    return f"{row['id']}: given back to the consumer", True


async def _drop(options: argparse.Namespace, database: Database, clock: Clock) -> Outcome:
    async with database.transaction() as tx:
        dropped = [row["id"] for row in await tx.fetch(_DROP, options.ids, options.all)]
    unknown = _unknown(options, dropped)
    return [f"{number}: dropped" for number in dropped] + unknown, not unknown


def _unknown(options: argparse.Namespace, found: Iterable[int]) -> list[str]:
    if not options.ids and not options.all:
        return ["Name the ids, or say --all."]
    return [f"{number}: there is no such dead event" for number in sorted(set(options.ids) - set(found))]


_WORDS: dict[str, Callable[[argparse.Namespace, Database, Clock], Awaitable[Outcome]]] = {
    "list": _list,
    "show": _show,
    "retry": _retry,
    "drop": _drop,
}
