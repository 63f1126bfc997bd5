"""Rows of organisations and their domains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from asyncpg import Record

from services.auth.domain.names import Domain
from shared.contracts import auth as events
from shared.database import Connection

OrganisationEvent = type[events.OrganisationCreated] | type[events.OrganisationChanged]

_INSERT = """
INSERT INTO organisations (
    name, contact_email, subscription_status, subscription_valid_upto, hi5_limit, hi5_quota_renewal_frequency, timezone,
    recognition_hi5_cost, number, status, address1, address2, city, state, zip_code, contact_name, contact_phone,
    billing_contact, billing_contact_email, billing_contact_phone
)
SELECT
    name, contact_email, subscription_status, subscription_valid_upto, hi5_limit,
    hi5_quota_renewal_frequency, timezone, coalesce(recognition_hi5_cost, 0), number, coalesce(status, 'ACTIVE'),
    address1, address2, city, state, zip_code, contact_name, contact_phone, billing_contact, billing_contact_email,
    billing_contact_phone
FROM jsonb_to_record($1::jsonb) AS given (
    name text, contact_email text, subscription_status text, subscription_valid_upto timestamptz, hi5_limit bigint,
    hi5_quota_renewal_frequency text, timezone text, recognition_hi5_cost integer, number text, status text,
    address1 text, address2 text, city text, state text, zip_code text, contact_name text, contact_phone text,
    billing_contact text, billing_contact_email text, billing_contact_phone text
)
RETURNING *
"""
# What the JSON does not name keeps its value: jsonb_populate_record starts from the row itself.
_UPDATE = """
UPDATE organisations AS known SET
    name = fresh.name, contact_email = fresh.contact_email, subscription_status = fresh.subscription_status,
    subscription_valid_upto = fresh.subscription_valid_upto, hi5_limit = fresh.hi5_limit,
    hi5_quota_renewal_frequency = fresh.hi5_quota_renewal_frequency, timezone = fresh.timezone,
    recognition_hi5_cost = fresh.recognition_hi5_cost, number = fresh.number, status = fresh.status,
    address1 = fresh.address1, address2 = fresh.address2, city = fresh.city, state = fresh.state,
    zip_code = fresh.zip_code, contact_name = fresh.contact_name, contact_phone = fresh.contact_phone,
    billing_contact = fresh.billing_contact, billing_contact_email = fresh.billing_contact_email,
    billing_contact_phone = fresh.billing_contact_phone, version = known.version + 1
FROM organisations AS present, LATERAL jsonb_populate_record(present, $2::jsonb) AS fresh
WHERE known.id = $1 AND present.id = known.id
RETURNING known.*
"""


@dataclass(frozen=True, slots=True)
class Organisation:
    """What commands decide by; `settings` is the whole row."""

    id: int
    name: str
    status: str
    version: int
    settings: Mapping[str, Any]

    @property
    def is_active(self) -> bool:
        return self.status == "ACTIVE"

    def snapshot(
        self, kind: OrganisationEvent, by: int | None
    ) -> events.OrganisationCreated | events.OrganisationChanged:
        """The event that tells the present state, and whose doing it is."""
        return kind(
            organisation_id=self.id,
            name=self.name,
            status=self.settings["status"],
            hi5_limit=self.settings["hi5_limit"],
            hi5_quota_renewal_frequency=self.settings["hi5_quota_renewal_frequency"],
            timezone=self.settings["timezone"],
            recognition_hi5_cost=self.settings["recognition_hi5_cost"],
            version=self.version,
            changed_by=by,
        )


async def add_organisation(tx: Connection, settings: Mapping[str, Any]) -> Organisation:
    """A new organisation, written on behalf of the installation."""
    return _organisation(await tx.fetchrow(_INSERT, orjson.dumps(settings).decode()))


async def find_organisation(tx: Connection, org_id: int) -> Organisation | None:
    row = await tx.fetchrow("SELECT * FROM organisations WHERE id = $1", org_id)
    return None if row is None else _organisation(row)


async def lock_organisation(tx: Connection, org_id: int) -> Organisation | None:
    """The organisation, until the transaction's end changed by nobody else; so are its admins."""
    row = await tx.fetchrow("SELECT * FROM organisations WHERE id = $1 FOR NO KEY UPDATE", org_id)
    return None if row is None else _organisation(row)


async def change_organisation(tx: Connection, org_id: int, settings: Mapping[str, Any]) -> Organisation:
    """Sets what is named; moments are given as ISO 8601 texts."""
    return _organisation(await tx.fetchrow(_UPDATE, org_id, orjson.dumps(settings).decode()))


async def domains_of(tx: Connection, org_id: int) -> list[str]:
    """The keys of the organisation's domains in their order."""
    rows = await tx.fetch("SELECT domain FROM organisation_domains WHERE org_id = $1 ORDER BY place", org_id)
    return [row["domain"] for row in rows]


async def own_domains(tx: Connection, org_id: int, domains: Sequence[Domain]) -> list[str]:
    """Makes these the organisation's domains; returns the spellings of those that another one owns."""
    keys = [domain.key for domain in domains]
    await tx.execute("DELETE FROM organisation_domains WHERE org_id = $1 AND domain <> ALL($2::text[])", org_id, keys)
    await tx.execute(
        "INSERT INTO organisation_domains (domain, org_id, spelling, place)"
        " SELECT fresh.domain, $1, fresh.spelling, fresh.place"
        " FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS fresh (domain, spelling, place)"
        # In one order, so that two organisations that want the same domains do not wait for each other.
        " ORDER BY fresh.domain"
        " ON CONFLICT (domain) DO NOTHING",
        org_id,
        keys,
        [domain.spelling for domain in domains],
    )
    owned = set(await domains_of(tx, org_id))
    await _order(tx, org_id, keys)
    return [domain.spelling for domain in domains if domain.key not in owned]


async def _order(tx: Connection, org_id: int, keys: Iterable[str]) -> None:
    await tx.execute(
        "UPDATE organisation_domains SET place = array_position($2::text[], domain) WHERE org_id = $1",
        org_id,
        list(keys),
    )


def _organisation(row: Record | None) -> Organisation:
    if row is None:
        raise LookupError("the statement found no organisation")
    return Organisation(row["id"], row["name"], row["status"], row["version"], dict(row))
