"""What auth publishes: organisations, people, ended sessions, public keys. Snapshots are absolute and versioned."""

from typing import Literal

from shared.contracts.event import Event, event, fact

OrganisationStatus = Literal["ACTIVE", "SUSPENDED", "CLOSED"]
Frequency = Literal["DAILY", "WEEKLY", "MONTHLY", "QUARTERLY"]


@fact
class _Organisation(Event):
    organisation_id: int
    name: str
    status: OrganisationStatus
    hi5_limit: int
    hi5_quota_renewal_frequency: Frequency
    timezone: str
    recognition_hi5_cost: int
    version: int
    changed_by: int | None = None


@event(publisher="auth", subject="organisation/{organisation_id}")
class OrganisationCreated(_Organisation):
    """A company joined the installation."""


@event(publisher="auth", subject="organisation/{organisation_id}")
class OrganisationChanged(_Organisation):
    """Its settings, name or status are now these."""


@fact
class _User(Event):
    user_id: int
    email: str
    first_name: str
    last_name: str
    display_name: str
    profile_image_url: str | None
    role_id: int
    active: bool
    generation: int
    version: int
    listed_in_leaderboards: bool = True


@event(publisher="auth", subject="user/{user_id}")
class UserJoined(_User):
    """A person became a member of an organisation."""


@event(publisher="auth", subject="user/{user_id}")
class UserChanged(_User):
    """Name, picture, role or the generation from which tokens count are now these."""


@event(publisher="auth", subject="user/{user_id}")
class UserDeactivated(_User):
    """The person left; what they gave and received stays readable."""


@event(publisher="auth", subject="user/{user_id}")
class UserRestored(_User):
    """The person is back, with the same id."""


@event(publisher="auth", subject="revocations", urgent=True)
class SessionRevoked(Event):
    """Credentials that are refused: one by `jti`, a user's older generations, a client's, or a whole organisation's.

    Exactly one of `jti`, `user_id` (with `min_generation`), `client_id` and `organisation_id` is set. `lifted` ends
    the revocation of an organisation; of two events about one organisation the higher `version` stands. In epoch
    seconds, `effective_at`: from when they are refused, at once when null; `expires_at`: when the last credential it
    covers has expired and the row may be forgotten.
    """

    jti: str | None
    user_id: int | None
    min_generation: int | None
    organisation_id: int | None
    client_id: str | None
    lifted: bool
    version: int
    effective_at: int | None
    expires_at: int


@fact
class PublicKey:
    """An Ed25519 public key as in its JWK; `not_after` (epoch seconds) once it is being retired."""

    kid: str
    x: str
    not_after: int | None


@event(publisher="auth", subject="signing-keys", urgent=True)
class SigningKeysChanged(Event):
    """All public keys that sign valid tokens now; a key that is not listed is refused."""

    keys: tuple[PublicKey, ...]
    version: int
