"""What every service publishes about its own outbox, so that a lost last event is noticed and sent again."""

from shared.contracts.event import ANY_PUBLISHER, Event, event, fact, part


@fact
class Head:
    """The position of the newest event of a type that a publisher has sent."""

    type: str
    position: int


@event(publisher=ANY_PUBLISHER, subject="outbox/{publisher}")
class OutboxHead(Event):
    """How far each event type of a publisher has come; every 10 seconds. A new `epoch` starts the positions anew."""

    publisher: str
    epoch: int
    heads: tuple[Head, ...]


@event(publisher=ANY_PUBLISHER, subject="request/{publisher}")
class EventsRequested(Event):
    """A consumer asks a publisher to send kept events again, with their old ids; positions are inclusive."""

    publisher: str
    types: tuple[str, ...]
    first: int = part("from")
    last: int | None = part("to")
    consumer: str = part("for")
