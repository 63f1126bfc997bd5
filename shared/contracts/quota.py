"""What quota publishes: policies, adjustments and balances. All absolute and versioned; times are epoch seconds."""

from shared.contracts.auth import Frequency
from shared.contracts.event import Event, event, fact, part


@fact
class Calendar:
    """From when on periods follow this frequency in this IANA time zone."""

    since: int = part("from")
    frequency: Frequency
    timezone: str


@event(publisher="quota", subject="policy/{organisation_id}")
class QuotaPolicyChanged(Event):
    """An organisation's limit, and its running calendar with at most one to come."""

    organisation_id: int
    version: int
    limit: int
    calendars: tuple[Calendar, ...]


@fact
class Adjustment:
    """Extra (or fewer) hi5s, in the period that `at` lies in."""

    id: int
    at: int
    amount: int


@event(publisher="quota", subject="adjustments/{user_id}")
class AllowanceAdjusted(Event):
    """All adjustments of one person in the last 100 days."""

    user_id: int
    version: int
    adjustments: tuple[Adjustment, ...]


@event(publisher="quota", subject="balance/{user_id}")
class Hi5BalanceChanged(Event):
    """What a person has spent net of refunds, and got extra, in the period that ends at `resets_at`."""

    user_id: int
    net: int
    adjusted: int
    resets_at: int
    version: int
