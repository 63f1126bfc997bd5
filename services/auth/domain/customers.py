"""An organisation as PeerAssist's customer record: other names for the same columns, and what it leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = (
    "id",
    "name",
    "number",
    "address1",
    "address2",
    "city",
    "state",
    "zip_code",
    "contact_name",
    "contact_email",
    "billing_contact",
    "billing_contact_email",
    "billing_contact_phone",
    "contact_phone",
    "status",
)
"""What a customer record has of an organisation, in its order."""
UNTOLD = {"hi5_limit": 0, "hi5_quota_renewal_frequency": "MONTHLY", "timezone": "UTC"}
"""What a new organisation has of which a customer record does not speak: nobody spends before somebody says so."""


def camel_case(column: str) -> str:
    """A column's name in a customer record: `zipCode` for `zip_code`."""
    first, *others = column.split("_")
    return first + "".join(map(str.capitalize, others))


def customer_of(organisation: Mapping[str, Any]) -> dict[str, Any]:
    """The customer record of an organisation's document."""
    return {camel_case(column): organisation[column] for column in COLUMNS}
