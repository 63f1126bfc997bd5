"""Identity providers of organisations: what auth tells of them, and what the others ask of auth."""

from typing import Literal

from shared.contracts.event import ANY_PUBLISHER, Event, event, fact

ProviderAlgorithm = Literal["RS256", "PS256", "ES256", "EdDSA"]
ProviderState = Literal["trusted", "removed"]


@fact
class ProviderKey:
    """A public key, its SubjectPublicKeyInfo as DER in base64, and the only algorithm that it verifies."""

    kid: str
    algorithm: ProviderAlgorithm
    spki: str


@event(publisher="auth", subject="identity-provider/{provider_id}", urgent=True)
class IdentityProviderChanged(Event):
    """Whose tokens an organisation trusts, for which of its e-mail domains, and by which keys.

    Absolute: the higher `version` stands, and after `removed` nothing. `email_claim` is null for `email` with
    `email_verified`. `fetched_at` (epoch milliseconds): when the provider was asked for these keys, null before.
    """

    provider_id: int
    organisation_id: int
    organisation_name: str
    domains: tuple[str, ...]
    issuer: str
    audience: str
    email_claim: str | None
    keys: tuple[ProviderKey, ...]
    state: ProviderState
    fetched_at: int | None
    version: int


@event(publisher=ANY_PUBLISHER, subject="identity-provider-keys/{provider_id}")
class ProviderKeysRequested(Event):
    """A token names a key that is not known: auth is asked to look at the provider again."""

    publisher: str
    provider_id: int


@event(publisher=ANY_PUBLISHER, subject="external-identity/{provider_id}")
class ExternalIdentitySeen(Event):
    """A verified token of somebody who is not known by this provider yet; names are as the token has them, or empty."""

    publisher: str
    provider_id: int
    sub: str
    email: str
    name: str
    given_name: str
    family_name: str
    picture: str


@event(publisher="auth", subject="external-identity/{provider_id}")
class ExternalIdentityResolved(Event):
    """Whose identity this is at the provider: the tokens are this user's, or nobody's when null.

    The higher `version` stands.
    """

    provider_id: int
    sub: str
    user_id: int | None
    version: int
