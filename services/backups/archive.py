"""What a backup holds, read from the file itself: an archive of pg_dump in its custom format."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from services.backups.programs import CannotDo, Programs, output
from services.catalogue import SERVICES
from services.connections import SERVICE_NAMES
from shared.migrate import read

ENTRY = re.compile(r"\d+; \d+ \d+ (?P<kind>[A-Z][A-Z ]*) (?P<schema>-|[a-z_][a-z_0-9]*) (?P<rest>.*)")
CREATED = re.compile(r"; Archive created at (.*)")
DATA = "TABLE DATA"


@dataclass(frozen=True, slots=True)
class Archive:
    """A file and its table of contents."""

    file: Path
    created_at: str
    entries: tuple[str, ...]

    def of(self, services: Iterable[str]) -> list[str]:
        """The entries of these services' schemas, the schemas themselves and their rights included."""
        wanted = set(services)
        return [entry for entry in self.entries if _schema_of(entry) in wanted]


def tables(entries: Iterable[str]) -> int:
    """How many of these bring rows."""
    return sum(f" {DATA} " in entry for entry in entries)


def _schema_of(entry: str) -> str | None:
    found = ENTRY.match(entry)
    if found is None:
        return None
    if found["schema"] != "-":
        return found["schema"]
    words = found["rest"].split()
    return words[1] if words[0] == "SCHEMA" else words[0] if found["kind"] == "SCHEMA" else None


async def opened(programs: Programs, file: Path) -> Archive:
    """Raises `CannotDo` for what is no backup of Peerly, or cannot be read by these programs."""
    if not file.is_file():
        raise CannotDo(f"There is no file {file}.")
    listed = await output([programs.path("pg_restore"), "--list", str(file)])
    created = CREATED.search(listed)
    entries = tuple(line for line in listed.splitlines() if line and not line.startswith(";"))
    archive = Archive(file, created[1] if created else "an unknown time", entries)
    missing = [service for service in SERVICE_NAMES if not archive.of([service])]
    if missing:
        raise CannotDo(f"{file} is no backup of Peerly: it has nothing of {', '.join(missing)}.")
    return archive


async def check_versions(programs: Programs, archive: Archive, services: Iterable[str], *, exact: bool) -> None:
    """Raises `CannotDo` for a backup of a newer Peerly or another one, and of an older where it must be `exact`."""
    for service in SERVICES:
        if service.name not in set(services):
            continue
        ours = {migration.name: migration.checksum for migration in read(service.migrations, service.shared_parts)}
        applied = await _migrations(programs, archive, service.name)
        if exact and (older := [name for name in ours if name not in applied]):
            raise CannotDo(
                f"The backup is older than this software: {service.name} had no {older[0]} then. One service alone "
                "cannot go back so far; restore all of it."
            )
        for name, checksum in applied.items():
            if name not in ours:
                raise CannotDo(
                    f"The backup is newer than this software: {service.name} has {name}, which is not known here. "
                    "Restore it with the version that made it, or a newer one."
                )
            if ours[name] != checksum:
                raise CannotDo(f"The backup is of another software: {service.name}'s {name} is not the one here.")


async def _migrations(programs: Programs, archive: Archive, service: str) -> dict[str, str]:
    words = ["--data-only", "--schema", service, "--table", "schema_migrations", "--file", "-", str(archive.file)]
    copied = await output([programs.path("pg_restore"), *words])
    _, _, rows = copied.partition(" FROM stdin;\n")
    return dict(row.split("\t")[:2] for row in rows.partition("\n\\.")[0].splitlines() if row)
