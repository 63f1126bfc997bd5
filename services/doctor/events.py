"""What is stuck between the services."""

from __future__ import annotations

from datetime import timedelta

from services.connections import SERVICE_NAMES
from services.doctor.line import Line, line
from services.doctor.place import Admin

PATIENCE = timedelta(seconds=30)
BULK_PATIENCE = timedelta(minutes=15)
"""An import's events wait for all others on purpose."""

_GAPS = """
SELECT publisher, type, missing, head, (clock_timestamp() - missing_since)::text AS age FROM {0}.inbox_positions
WHERE missing_since < clock_timestamp() - $1::interval ORDER BY publisher, type
"""
_UNSENT = """
SELECT count(*) AS events, extract(epoch FROM clock_timestamp() - min(occurred_at))::bigint AS age FROM {0}.outbox
WHERE sent_at IS NULL AND occurred_at < clock_timestamp() - CASE WHEN bulk THEN $2::interval ELSE $1::interval END
"""
_PARKED = """
SELECT count(*) AS events, min(coalesce(waits_for, reason)) AS example FROM {0}.parked
WHERE parked_at < clock_timestamp() - $1::interval
"""


async def gaps(admin: Admin) -> Line:
    """Events that a service knows to exist and has not had for 30 seconds."""
    troubles = []
    for service in SERVICE_NAMES:
        for row in await admin.fetch(_GAPS.format(service), PATIENCE):
            what = f"{row['publisher']}'s {row['type']} from {row['missing']} on (of {row['head']})"
            troubles.append(f"{service} misses {what} since {row['age'].partition('.')[0]}")
    todo = "run the publisher's relay and this consumer; if the hole stays: python -m services rebuild SERVICE"
    return line("gaps", troubles, todo, "no service misses an event")


async def unsent(admin: Admin) -> Line:
    """Events that no transport has confirmed for 30 seconds."""
    troubles = []
    for service in SERVICE_NAMES:
        row = await admin.fetchrow(_UNSENT.format(service), PATIENCE, BULK_PATIENCE)
        if row is not None and row["events"]:
            troubles.append(f"{row['events']} of {service}, the oldest {row['age']} s old")
    todo = "start the service's relay and the broker; its log says `publishing pauses` with the reason"
    return line("outbox", troubles, todo, "everything is sent")


async def parked(admin: Admin) -> Line:
    """Events that have waited for something, or failed again and again, for 30 seconds."""
    troubles = []
    for service in SERVICE_NAMES:
        row = await admin.fetchrow(_PARKED.format(service), PATIENCE)
        if row is not None and row["events"]:
            troubles.append(f"{row['events']} in {service}, such as {row['example']}")
    todo = "mend what is missing or fails (the service's log names it); they are tried again by themselves"
    return line("parked", troubles, todo, "nothing waits")


async def dead(admin: Admin) -> Line:
    """Events that nobody will handle without a person's help."""
    troubles = []
    for service in SERVICE_NAMES:
        count = await admin.fetchval(f"SELECT count(*) FROM {service}.dead")  # noqa: S608
        if count:
            troubles.append(f"{count} in {service}")
    todo = "python -m services dead list, then retry or drop them"
    return line("dead", troubles, todo, "none")
