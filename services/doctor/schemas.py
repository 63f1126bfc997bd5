"""Whether the database is what this version of the software expects."""

from __future__ import annotations

from services.catalogue import SERVICES
from services.doctor.line import Line, line
from services.doctor.place import Admin
from shared.migrate import read
from shared.service import Service

REMEDY = "pending: python -m services migrate; newer: run the newer software; edited: put the shipped file back"


async def migrations(admin: Admin) -> Line:
    """Every migration of every service applied, none changed since, none unknown."""
    troubles = [trouble for service in SERVICES for trouble in await _differences(admin, service)]
    return line("migrations", troubles, REMEDY, "all applied and unchanged")


async def _differences(admin: Admin, service: Service) -> list[str]:
    if await admin.fetchval("SELECT to_regclass($1) IS NULL", f"{service.name}.schema_migrations"):
        return [f"{service.name} has no tables"]
    rows = await admin.fetch(f"SELECT name, checksum FROM {service.name}.schema_migrations ORDER BY name")  # noqa: S608
    applied = {row["name"]: row["checksum"] for row in rows}
    ours = {migration.name: migration.checksum for migration in read(service.migrations, service.shared_parts)}
    pending = [f"{service.name}: {name} is pending" for name in ours if name not in applied]
    newer = [f"{service.name}: {name} is newer than this software" for name in applied if name not in ours]
    edited = [
        f"{service.name}: {name} was edited"
        for name, checksum in ours.items()
        if applied.get(name, checksum) != checksum
    ]
    return pending + newer + edited
