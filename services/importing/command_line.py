"""`python -m services import`: one CSV file into one organisation."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import asyncpg
from environs import Env, EnvError

from services.connections import addresses
from services.importing import organisation
from services.importing.kinds import COLUMNS, KINDS, ignored, kind_of
from services.importing.progress import Progress
from services.importing.rejects import Rejects
from services.importing.table import Table, Unusable
from services.importing.work import Counts, Work
from shared.clock import utc_now
from shared.database import DATABASE_IS_AWAY
from shared.embedded_postgres import EmbeddedPostgresError

ROWS, MOST_ROWS = 1_000, 5_000
REJECTED, UNUSABLE, INTERRUPTED = 1, 2, 130
AGAIN = "What was taken is kept: start the same import again and it goes on from there."
NOT_READY = (
    "The services' tables or roles are not to be had here. On a new database start Peerly once (make run) or run"
    " python -m services migrate; on one with passwords give each PEERLY_<SERVICE>_DATABASE_PASSWORD."
)
NOT_THERE = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
CANNOT_GO_ON: tuple[type[BaseException], ...] = (asyncpg.PostgresError, *DATABASE_IS_AWAY)


def parser() -> argparse.ArgumentParser:
    columns = "\n".join(f"  {kind.name}: {_columns(kind.required, kind.columns)}" for kind in KINDS)
    made = argparse.ArgumentParser(
        prog="python -m services import",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Brings people, core values or recognitions from a CSV file into an organisation. The header\n"
        "tells which of them the file holds; importing the same file again changes nothing.",
        epilog=f"columns ([optional]):\n{columns}\n\n"
        "exit codes: 0 all rows taken or here already, 1 some rows rejected, 2 nothing could be (or not all was) done",
    )
    made.add_argument("file", type=Path, help="a CSV file in UTF-8 with a header")
    made.add_argument("--organisation", type=int, required=True, metavar="ID", help="the organisation's id")
    made.add_argument(
        "--rejects", type=Path, metavar="FILE", help="where rejected rows go (beside people.csv: people.rejects.csv)"
    )
    made.add_argument("--batch", type=_batch, default=ROWS, metavar="N", help=f"rows a transaction ({ROWS})")
    return made


def _columns(required: frozenset[str], known: frozenset[str]) -> str:
    return ", ".join([*sorted(required), *(f"[{name}]" for name in sorted(known - required))])


def _batch(text: str) -> int:
    rows = int(text)
    if not 1 <= rows <= MOST_ROWS:
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST_ROWS}")
    return rows


def main(argv: Sequence[str]) -> int:
    """Imports; every failure is a sentence that says what to do."""
    asked = parser().parse_args(argv)
    try:
        counts = asyncio.run(work(asked))
    except KeyboardInterrupt:
        return _say(f"Stopped. {AGAIN}", INTERRUPTED)
    except (Unusable, EnvError, EmbeddedPostgresError) as error:
        return _say(str(error), UNUSABLE)
    except NOT_THERE as error:
        return _say(f"{NOT_READY} ({error})", UNUSABLE)
    except CANNOT_GO_ON as error:
        return _say(f"The import could not go on: {str(error) or repr(error)}. {AGAIN}", UNUSABLE)
    return REJECTED if counts.rejected else 0


def _say(sentence: str, code: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return code


async def work(asked: argparse.Namespace) -> Counts:
    """Raises `Unusable`, `OSError`, or what the database raises."""
    began = monotonic()
    try:
        table = Table(asked.file, COLUMNS)
    except OSError as error:
        raise Unusable(f"{asked.file} cannot be read: {error.strerror}") from None
    with table, Rejects(_rejects_path(asked), table.header) as rejects:
        counts = await _import(table, rejects, asked)
    taken = (
        f"{counts.read:,} rows read: {counts.new:,} new, {counts.unchanged:,} unchanged, {counts.rejected:,} rejected"
    )
    sys.stdout.write(f"{taken}; {monotonic() - began:.1f} s\n")
    if counts.rejected:
        sys.stdout.write(f"The rejected rows and why: {rejects.path}. Mend them there and import that file.\n")
    return counts


def _rejects_path(asked: argparse.Namespace) -> Path:
    path: Path = asked.rejects or asked.file.with_name(f"{asked.file.stem}.rejects.csv")
    if path.exists() and path.samefile(asked.file):
        raise Unusable("--rejects names the file that is imported; name another one")
    return path


async def _import(table: Table, rejects: Rejects, asked: argparse.Namespace) -> Counts:
    kind = kind_of(table)
    counts = Counts()
    async with addresses(Env()) as where, organisation.connected(where) as databases:
        found = await organisation.find(databases.auth, asked.organisation)
        sys.stdout.write(f"Importing {kind.name} into organisation {found.id} ({found.name})\n")
        left_out = ignored(table, kind)
        if left_out:
            sys.stdout.write(f"Columns that are not looked at: {', '.join(left_out)}\n")
        sys.stdout.flush()
        with Progress(sys.stderr, asked.file.name, table.size) as progress:
            importer = databases.importer(kind, found, utc_now)
            await Work(table, kind, importer, rejects, progress, counts).run(asked.batch)
    return counts
