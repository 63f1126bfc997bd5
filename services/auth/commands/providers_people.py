"""Whose identity a provider's subject is: the people of its organisation, made as at a first sign-in with Google."""

from __future__ import annotations

from services.auth.domain.names import NotADomain, domain_of_email, fold_email
from services.auth.domain.people import Person
from services.auth.domain.profiles import profile_of_google
from services.auth.store import people, tenants
from services.auth.store import providers as rows
from shared import outbox
from shared.contracts.auth import UserJoined
from shared.contracts.providers import ExternalIdentityResolved, ExternalIdentitySeen
from shared.database import Connection
from shared.identity import Role
from shared.identity.external_records import keep_identity


async def resolve_identity(tx: Connection, seen: ExternalIdentitySeen, org_id: int) -> None:
    """Finds or makes the person, and tells whose the identity is; a refused one may be somebody's the next time."""
    provider = await rows.find_provider(tx, seen.provider_id, locked=True)
    known = await rows.bound(tx, seen.provider_id, seen.sub)
    if provider is None or (known is not None and known.user_id is not None):
        return
    person = await _person(tx, seen, org_id)
    if known is not None and person is None:
        return
    resolved = ExternalIdentityResolved(
        provider_id=provider.id,
        sub=seen.sub,
        user_id=None if person is None else person.id,
        version=1 if known is None else known.version + 1,
    )
    await keep_identity(tx, resolved)
    await outbox.append(tx, resolved)


async def _person(tx: Connection, seen: ExternalIdentitySeen, org_id: int) -> Person | None:
    """Nobody: the address is none of the organisation's, or of who left, or of who has another subject there."""
    if not await _is_of(tx, seen.email, org_id):
        return None
    profile = profile_of_google(seen.email, {name: getattr(seen, name) for name in _NAMES})
    joined = await people.add_person(tx, seen.email, profile, Role.EMPLOYEE)
    if joined is not None:
        await outbox.append(tx, joined.snapshot(UserJoined))
        return joined
    person = await people.find_person_by_email(tx, seen.email)
    if person is None or not person.is_present or await rows.has_subject(tx, seen.provider_id, person.id):
        return None
    return person


_NAMES = ("name", "given_name", "family_name", "picture")


async def _is_of(tx: Connection, email: str, org_id: int) -> bool:
    """Whether the address has a domain of this active organisation, and is nobody's elsewhere."""
    try:
        domain = domain_of_email(email).key
    except NotADomain:
        return False
    account = await tenants.account_of_email(tx, fold_email(email))
    return await tenants.organisation_of_domain(tx, domain) == org_id and (
        account == tenants.NOBODY or account.org_id == org_id
    )
