"""Roles and schemas: each service gets a schema that its own role alone can touch. Run as a database administrator."""

from __future__ import annotations

import asyncpg

PROVISION_LOCK = 7_305_521_001

_ROLES = """
DO $$
DECLARE
    service text := current_setting('peerly.service');
BEGIN
    EXECUTE format('CREATE ROLE %I NOLOGIN', 'peerly_' || service || '_owner');
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
DECLARE
    service text := current_setting('peerly.service');
BEGIN
    EXECUTE format('CREATE ROLE %I NOLOGIN', 'peerly_' || service || '_definer');
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
DECLARE
    service text := current_setting('peerly.service');
BEGIN
    EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT', 'peerly_' || service);
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
"""

_SCHEMA = """
DO $$
DECLARE
    service text := current_setting('peerly.service');
    service_role text := 'peerly_' || service;
    owner_role text := service_role || '_owner';
    definer_role text := service_role || '_definer';
BEGIN
    EXECUTE format('GRANT %I TO %I', definer_role, owner_role);
    EXECUTE format('GRANT %I TO CURRENT_USER', owner_role);
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service, owner_role);
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', service);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', service, service_role);
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', service, definer_role);
    EXECUTE format('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), service_role);
END $$;
"""

_PASSWORD = """
DO $$
BEGIN
    EXECUTE format(
        'ALTER ROLE %I PASSWORD %L', 'peerly_' || current_setting('peerly.service'), current_setting('peerly.password')
    );
END $$;
"""


async def provision(admin: asyncpg.Connection[asyncpg.Record], service: str, password: str | None) -> None:
    """Makes a service's three roles and its schema; again changes nothing but the password.

    Raises `asyncpg.InsufficientPrivilegeError` when the administrator may not create roles.
    """
    async with admin.transaction():
        await admin.execute("SELECT pg_advisory_xact_lock($1)", PROVISION_LOCK)
        await _set(admin, "peerly.service", service)
        await admin.execute(_ROLES)
        await admin.execute(_SCHEMA)
        if password is not None:
            await _set(admin, "peerly.password", password)
            await admin.execute(_PASSWORD)


async def _set(admin: asyncpg.Connection[asyncpg.Record], name: str, value: str) -> None:
    await admin.execute("SELECT set_config($1, $2, true)", name, value)
