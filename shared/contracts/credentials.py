"""What every service publishes about the credentials that it was called with; auth keeps it."""

from shared.contracts.event import ANY_PUBLISHER, Event, event, fact


@fact
class Use:
    """When (epoch seconds) a person acted through a personal token, an API key, an application or a session.

    A session's `client_id` is `session:` and its `jti`.
    """

    client_id: str
    user_id: int
    at: int


@event(publisher=ANY_PUBLISHER, subject="uses/{publisher}")
class CredentialsUsed(Event):
    """These credentials of one organisation were used lately; each at most once a minute and process."""

    publisher: str
    uses: tuple[Use, ...]
