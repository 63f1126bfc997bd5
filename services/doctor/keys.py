"""The keys that sign tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.connections import SERVICE_NAMES
from services.doctor.line import Line, line
from services.doctor.place import Admin

OLDEST = timedelta(days=90)
SPREAD_SECONDS = 60

_SIGNING = "SELECT kid, signs_from FROM auth.key_pairs WHERE not_after IS NULL ORDER BY signs_from DESC LIMIT 1"
_UNKNOWN = """
SELECT count(*) FROM auth.key_pairs AS pair
WHERE pair.created_at < clock_timestamp() - $1::integer * interval '1 second'
    AND (pair.not_after IS NULL OR pair.not_after > clock_timestamp())
    AND NOT EXISTS (SELECT FROM {0}.signing_keys AS known WHERE known.kid = pair.kid)
"""


async def signing_keys(admin: Admin) -> Line:
    """There is one, it is not too old, and every service knows it."""
    newest = await admin.fetchrow(_SIGNING)
    if newest is None:
        return Line("signing keys", "there is none that signs", "start the auth service: it makes one")
    age = datetime.now(UTC) - newest["signs_from"]
    troubles = [f"{newest['kid']} signs since {age.days} days"] if age > OLDEST else []
    unknown = {service: await admin.fetchval(_UNKNOWN.format(service), SPREAD_SECONDS) for service in SERVICE_NAMES}
    troubles += [f"{service} does not know {count} of the keys" for service, count in unknown.items() if count]
    todo = "too old: python -m services keys rotate; not known: see gaps and outbox"
    return line("signing keys", troubles, todo, f"{newest['kid']} signs since {max(age.days, 0)} days")
