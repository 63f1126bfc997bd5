"""An organisation's settings and who may change which of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BILLING = ("billing_contact", "billing_contact_email", "billing_contact_phone")
OPERATORS = ("number", "status", "subscription_status", "subscription_valid_upto")
"""The installation's records of a customer: an organisation's own admin reads them and cannot change them."""
SETTINGS = (
    "name",
    "contact_email",
    "hi5_limit",
    "hi5_quota_renewal_frequency",
    "timezone",
    "recognition_hi5_cost",
    "address1",
    "address2",
    "city",
    "state",
    "zip_code",
    "contact_name",
    "contact_phone",
    *BILLING,
    *OPERATORS,
)


def changeable(body: Mapping[str, Any], *, by_super_admin: bool) -> dict[str, Any]:
    """The columns that this caller's body sets; what they may not set is left out."""
    return {
        name: value for name, value in body.items() if name in SETTINGS and (by_super_admin or name not in OPERATORS)
    }


def without_billing(document: Mapping[str, Any]) -> dict[str, Any]:
    """What members who are no admins see of their organisation."""
    return {name: value for name, value in document.items() if name not in BILLING}
