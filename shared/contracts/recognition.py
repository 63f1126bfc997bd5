"""What recognition publishes: core values, recognitions, each movement of an allowance. Times are epoch seconds."""

from typing import Literal

from shared.contracts.event import Event, event, fact


@fact
class _CoreValue(Event):
    core_value_id: int
    text: str
    description: str
    parent_core_value_id: int | None
    thumbnail: str | None
    version: int


@event(publisher="recognition", subject="core_value/{core_value_id}")
class CoreValueCreated(_CoreValue):
    """An organisation has a new core value."""


@event(publisher="recognition", subject="core_value/{core_value_id}")
class CoreValueChanged(_CoreValue):
    """A core value reads like this now."""


@event(publisher="recognition", subject="core_value/{core_value_id}")
class CoreValueDeleted(_CoreValue):
    """A core value that nothing used is gone."""


@fact
class Allowance:
    """The state of one user's allowance after the change that the event tells of.

    `seq` counts the changes of this allowance without gaps from 1; the window is [starts_at, ends_at);
    `granted` follows from the policy and the set of adjustments of these versions (0 before any adjustment);
    `epoch` grows when recognition was restored from an older copy.
    """

    id: int
    user_id: int
    seq: int
    starts_at: int
    ends_at: int
    granted: int
    spent_total: int
    refunded_total: int
    policy_version: int
    adjustments_version: int
    epoch: int


@event(publisher="recognition", subject="recognition/{recognition_id}")
class RecognitionGiven(Event):
    """Somebody thanked a colleague; `allowance` is set when it cost a hi5 (`cost` 1)."""

    recognition_id: int
    given_by: int
    given_for: int
    core_value_id: int
    text: str
    given_at: int
    cost: int
    imported: bool
    allowance: Allowance | None
    version: int


@event(publisher="recognition", subject="recognition/{recognition_id}")
class RecognitionChanged(Event):
    """The giver mended the text."""

    recognition_id: int
    text: str
    version: int


@event(publisher="recognition", subject="recognition/{recognition_id}")
class RecognitionDeleted(Event):
    """Taken back by the giver or by an admin."""

    recognition_id: int
    deleted_by: int
    deleted_at: int
    version: int


@event(publisher="recognition", subject="recognition/{recognition_id}")
class Hi5Spent(Event):
    """One hi5 of the running period was spent on a recognition."""

    hi5_id: int
    recognition_id: int
    given_by: int
    given_for: int
    given_at: int
    comment: str | None
    allowance: Allowance


@event(publisher="recognition", subject="recognition/{recognition_id}")
class Hi5Refunded(Event):
    """A spend is void and the hi5 is back in the allowance it came from; final."""

    spend_id: int
    kind: Literal["hi5", "recognition"]
    hi5_id: int | None
    recognition_id: int
    given_by: int
    refunded_at: int
    reason: Literal["hidden", "deleted"]
    allowance: Allowance


@event(publisher="recognition", subject="user/{user_id}")
class Hi5sReceivedChanged(Event):
    """How many hi5s that are not void a person has received on visible recognitions."""

    user_id: int
    count: int
    version: int


@event(publisher="recognition", subject="user/{user_id}")
class AllowancesRestated(Event):
    """Recognition was restored from an older copy: the states of a person's allowances that were others before.

    `lost` are the allowances that the copy does not have.
    """

    user_id: int
    restated_at: int
    epoch: int
    allowances: tuple[Allowance, ...]
    lost: tuple[int, ...]
