"""Composition root: which routes, handlers and tables make this service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import cast

import aiohttp

from services.auth import bootstrap, consumers
from services.auth.commands.providers_refresh import keep_fresh
from services.auth.forms import Forms
from services.auth.google import Google
from services.auth.hashing import Hasher
from services.auth.keys import Vault
from services.auth.providers import Providers
from services.auth.queries.organisations import organisation_exists
from services.auth.routes import (
    api_keys,
    customers,
    directory,
    key_sessions,
    maintenance,
    oauth_authorize,
    oauth_clients,
    oauth_tokens,
    organisations,
    own_sessions,
    password_pages,
    passwords,
    personal_tokens,
    providers,
    querying,
    scopes,
    sessions,
    teams,
    users,
    value_lists,
)
from services.auth.settings import Settings
from services.auth.store.providers import linked_user
from services.auth.tokens import Signer
from shared.consumer import Handler
from shared.context import Context
from shared.contracts import Event
from shared.contracts.credentials import CredentialsUsed
from shared.contracts.files import FileAttached, FileRemoved
from shared.contracts.providers import ExternalIdentitySeen, ProviderKeysRequested
from shared.contracts.quota import Hi5BalanceChanged
from shared.contracts.recognition import Hi5sReceivedChanged
from shared.history import Kind, history_routes
from shared.http import Route
from shared.service import Service, expected_of

ROUTES = (
    *history_routes(
        Kind("users", "user", as_tenant=users.of_the_user),
        Kind("organisations", "organisation", as_tenant=organisations.of_the_organisation),
        Kind("api-keys", "API key"),
        Kind("oauth/clients", "application"),
        Kind("teams", "team"),
        Kind("maintenance-windows", "maintenance window", permission=maintenance.PERMISSION, of_installation=True),
    ),
    *querying.ROUTES,
    Route("POST", "/oauth/google", sessions.sign_in_with_google),
    Route("GET", "/oauth/authorize", oauth_authorize.authorize),
    Route("POST", "/oauth/authorize", oauth_authorize.decide),
    Route("POST", "/oauth/token", oauth_tokens.give_tokens),
    Route("POST", "/oauth/revoke", oauth_tokens.revoke_token),
    Route("POST", "/oauth/introspect", oauth_tokens.introspect_token),
    Route("GET", "/.well-known/oauth-authorization-server", oauth_tokens.describe_server),
    Route("POST", "/oauth/clients", oauth_clients.register_client),
    Route("GET", "/oauth/clients", oauth_clients.list_clients),
    Route("GET", "/oauth/clients/{id}", oauth_clients.show_client),
    Route("PATCH", "/oauth/clients/{id}", oauth_clients.change_client),
    Route("DELETE", "/oauth/clients/{id}", oauth_clients.remove_client),
    Route("POST", "/oauth/clients/{id}/rotate", oauth_clients.rotate_client_secret),
    Route("GET", "/users/me/sessions", own_sessions.list_own_sessions),
    Route("DELETE", "/users/me/sessions/{id}", own_sessions.end_own_session),
    Route("GET", "/users/me/grants", oauth_clients.list_grants),
    Route("DELETE", "/users/me/grants/{id}", oauth_clients.remove_grant),
    Route("POST", "/login", sessions.sign_in),
    Route("POST", "/logout", sessions.sign_out),
    Route("GET", "/.well-known/jwks.json", sessions.list_keys),
    Route("GET", "/users", users.list_users),
    Route("GET", "/users/me", users.show_me),
    Route("PUT", "/users/me", users.change_me),
    Route("PUT", "/users/me/password", passwords.change_password),
    Route("GET", "/users/{id}", users.show_user),
    Route("PUT", "/users/{id}", users.change_role),
    Route("DELETE", "/users/{id}", users.delete_user),
    Route("POST", "/users/{id}/restore", users.restore_user),
    Route("POST", "/users/{id}/password-reset", passwords.make_password_link),
    Route("POST", "/password-resets/{token}", passwords.use_password_link),
    Route("GET", "/password-resets/{token}", password_pages.show_password_page),
    Route("POST", "/password-resets/{token}/form", password_pages.send_password_page),
    Route("POST", "/organisations", organisations.create_organisation),
    Route("GET", "/organisations", organisations.list_organisations),
    Route("GET", "/organisations/me", organisations.show_my_organisation),
    Route("GET", "/organisations/{id}", organisations.show_organisation),
    Route("PUT", "/organisations/{id}", organisations.put_organisation),
    Route("PATCH", "/organisations/{id}", organisations.patch_organisation),
    Route("POST", "/organisations/{id}/identity-providers", providers.add_identity_provider),
    Route("GET", "/organisations/{id}/identity-providers", providers.list_identity_providers),
    Route("GET", "/organisations/{id}/identity-providers/{provider_id}", providers.show_identity_provider),
    Route("PATCH", "/organisations/{id}/identity-providers/{provider_id}", providers.change_identity_provider),
    Route("DELETE", "/organisations/{id}/identity-providers/{provider_id}", providers.remove_identity_provider),
    Route("POST", "/users/me/tokens", personal_tokens.make_personal_token),
    Route("GET", "/users/me/tokens", personal_tokens.list_personal_tokens),
    Route("DELETE", "/users/me/tokens/{id}", personal_tokens.delete_personal_token),
    Route("POST", "/api-keys", api_keys.make_api_key),
    Route("GET", "/api-keys", api_keys.list_api_keys),
    Route("GET", "/api-keys/{id}", api_keys.show_api_key),
    Route("PATCH", "/api-keys/{id}", api_keys.rename_api_key),
    Route("DELETE", "/api-keys/{id}", api_keys.delete_api_key),
    Route("POST", "/api-keys/{id}/rotate", api_keys.rotate_api_key),
    Route("POST", "/authentication/login", key_sessions.sign_in_with_key),
    Route("GET", "/scopes", scopes.list_scopes),
    Route("GET", "/whoami", scopes.show_caller),
    Route("GET", "/directory", directory.list_directory),
    *teams.ROUTES,
    Route("GET", "/valuelists", value_lists.list_value_lists),
    Route("POST", "/valuelists", value_lists.make_value_list),
    Route("GET", "/valuelists/{name}", value_lists.show_value_list),
    Route("PUT", "/valuelists/{name}", value_lists.change_value_list),
    Route("DELETE", "/valuelists/{name}", value_lists.remove_value_list),
    Route("GET", "/maintenance-windows", maintenance.list_maintenance_windows),
    Route("POST", "/maintenance-windows", maintenance.plan_maintenance_window),
    Route("PUT", "/maintenance-windows/{id}", maintenance.move_maintenance_window),
    Route("DELETE", "/maintenance-windows/{id}", maintenance.remove_maintenance_window),
    Route("GET", "/customers", customers.list_customers),
    Route("POST", "/customers", customers.create_customer),
    Route("GET", "/customers/{id}", customers.show_customer),
    Route("PUT", "/customers/{id}", customers.put_customer),
)

HANDLERS: dict[type[Event], Handler] = {
    Hi5BalanceChanged: consumers.balance_changed,
    Hi5sReceivedChanged: consumers.hi5s_received_changed,
    CredentialsUsed: consumers.credentials_used,
    FileAttached: consumers.file_attached,
    FileRemoved: consumers.file_removed,
    ExternalIdentitySeen: consumers.external_identity_seen,
    ProviderKeysRequested: consumers.provider_keys_requested,
}


@asynccontextmanager
async def signing(context: Context) -> AsyncIterator[None]:
    """What makes tokens and proves forms, and the first key."""
    settings = cast(Settings, context.settings)
    vault = Vault(settings.secret)
    context.provide(Signer(vault, expected_of(settings), context.clock))
    context.provide(Forms(settings.secret))
    await bootstrap.ensure_key(context.database, vault, context.clock)
    yield


@asynccontextmanager
async def passwords_and_admin(context: Context) -> AsyncIterator[None]:
    """What checks passwords, and the super admin whom the environment names."""
    settings = cast(Settings, context.settings)
    hasher = Hasher()
    context.provide(hasher)
    if settings.admin_email is not None:
        await bootstrap.ensure_admin(context, hasher, settings.admin_email, settings.admin_password)
    try:
        yield
    finally:
        hasher.close()


@asynccontextmanager
async def google(context: Context) -> AsyncIterator[None]:
    """A way to Google."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=True) as session:
        context.provide(Google(session, cast(Settings, context.settings), context.clock))
        yield


@asynccontextmanager
async def identity_providers(context: Context) -> AsyncIterator[None]:
    """A way to the identity providers of the organisations."""
    async with Providers(inside=cast(Settings, context.settings).providers_internal) as way:
        context.provide(way)
        yield


async def organisation_is_known(context: Context, org_id: int) -> bool:
    async with context.database.transaction(org_id, read_only=True) as tx:
        return await organisation_exists(tx, org_id)


SERVICE = Service(
    name="auth",
    title="Peerly auth",
    routes=ROUTES,
    handlers=HANDLERS,
    migrations=Path(__file__).parent / "migrations",
    read_settings=partial(Settings.read, "auth"),
    shared_parts=("messaging", "providers", "history", "maintenance"),
    organisation_is_known=organisation_is_known,
    linked_of=linked_user,
    resources=(signing, passwords_and_admin, google, identity_providers),
    jobs=(keep_fresh,),
)
