"""Bodies and queries in, resources out."""

from __future__ import annotations

from typing import get_args

import marshmallow as ma

from services.quota.domain import Obstacle
from shared.http import PageQuery
from shared.http.fields import LARGEST_ID, Choice, Count, EpochSeconds, Id, Text

MOST_ADJUSTED = 1_000_000
KINDS = ("grant", "spend", "refund", "adjustment", "reduction", "correction")


class Adjust(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    amount = Count(
        -MOST_ADJUSTED,
        MOST_ADJUSTED,
        required=True,
        metadata={"description": "Hi5s to give, or below 0 to take away; not 0.", "not": {"const": 0}},
    )
    reason = Text(1, 1000, required=True)

    @ma.validates("amount")
    def amount_is_not_zero(self, value: int, data_key: str) -> None:
        if value == 0:
            raise ma.ValidationError("Must not be 0.")


class Adjustment(ma.Schema):
    id = Id(required=True)
    user_id = Id(required=True)
    amount = Count(-MOST_ADJUSTED, MOST_ADJUSTED, required=True)
    reason = ma.fields.String(required=True)
    made_by = Id(required=True)
    at = EpochSeconds(required=True)
    balance = Count(0, LARGEST_ID, required=True, metadata={"description": "What is left in this period now."})


class Quota(ma.Schema):
    balance = Count(0, LARGEST_ID, required=True, metadata={"description": "What is left in this period."})
    limit = Count(
        0, LARGEST_ID, required=True, metadata={"description": "The organisation's limit and the period's adjustments."}
    )
    spent = Count(0, LARGEST_ID, required=True, metadata={"description": "Spent in this period less what came back."})
    period_start = EpochSeconds(required=True)
    resets_at = EpochSeconds(required=True)


class LedgerQuery(PageQuery):
    """Only the page."""


class LedgerLine(ma.Schema):
    id = Id(required=True)
    at = EpochSeconds(required=True)
    kind = Choice(KINDS, required=True)
    amount = Count(-LARGEST_ID, LARGEST_ID, required=True, metadata={"description": "The change of what is left."})
    balance_after = Count(0, LARGEST_ID, required=True, metadata={"description": "What was left in its period then."})
    event_id = ma.fields.UUID(required=True)
    recognition_id = Id(required=True, allow_none=True, metadata={"description": "Of a spend or a refund."})
    reason = ma.fields.String(required=True, allow_none=True, metadata={"description": "Of an adjustment."})


class AvailabilityQuery(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    user_id = Id(metadata={"description": "Whose; the caller's when absent. Of others: manage:quota."})
    start = EpochSeconds(data_key="from", metadata={"description": "Now when absent."})
    end = EpochSeconds(data_key="to", metadata={"description": "The moment of from when absent."})


class Availability(ma.Schema):
    available = ma.fields.Boolean(required=True)
    reasons = ma.fields.List(
        Choice(get_args(Obstacle)), required=True, metadata={"description": "Empty when available."}
    )
    balance = Count(0, LARGEST_ID, required=True, metadata={"description": "What is left in the period of from."})
    resets_at = EpochSeconds(required=True, allow_none=True, metadata={"description": "Null where there is no period."})


ADJUST = Adjust()
ADJUSTMENT = Adjustment()
AVAILABILITY_QUERY = AvailabilityQuery()
AVAILABILITY = Availability()
QUOTA = Quota()
LEDGER_QUERY = LedgerQuery()
LEDGER_LINE = LedgerLine()
