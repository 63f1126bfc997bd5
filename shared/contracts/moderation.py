"""What moderation publishes. Times are epoch seconds."""

from typing import Literal

from shared.contracts.event import Event, event, fact

Mark = Literal["fraud", "not_relevant", "incorrect"]


@event(publisher="moderation", subject="recognition/{recognition_id}")
class RecognitionReported(Event):
    """Somebody asks the moderators to look at a recognition."""

    report_id: int
    recognition_id: int
    reported_by: int
    mark_as: str
    reason: str
    reported_at: int


@fact
class _Review(Event):
    recognition_id: int
    review_id: int
    reviewed_by: int
    reviewed_at: int
    version: int
    """Counts the hides and restores of this recognition without gaps from 1: applied strictly in order."""


@event(publisher="moderation", subject="recognition/{recognition_id}")
class RecognitionHidden(_Review):
    """It is inappropriate: gone from feeds and counts, hi5s of the running period go back."""


@event(publisher="moderation", subject="recognition/{recognition_id}")
class RecognitionRestored(_Review):
    """It is visible again; hi5s that were refunded stay void."""
