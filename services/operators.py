"""`python -m services keys` and `admin`: what operators do with auth, with the addresses found."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
from environs import Env, EnvError

from services import secrets
from services.auth.command_line import admin_options, keys_options, work_on_admin, work_on_keys
from services.connections import Addresses, addresses, data_folder
from shared.cli import USAGE_ERROR
from shared.embedded_postgres import EmbeddedPostgresError

SECRET = "secret"
CANNOT: tuple[type[Exception], ...] = (EnvError, EmbeddedPostgresError, asyncpg.PostgresError, OSError)

Work = Callable[[argparse.Namespace, Addresses], Awaitable[int]]


def keys(argv: Sequence[str]) -> int:
    """Lists, rotates or retires the keys that sign tokens; returns the exit code."""
    return _run(keys_options(argv, "services"), _on_keys)


def admin(argv: Sequence[str]) -> int:
    """Makes the first super admin; returns the exit code."""
    return _run(admin_options(argv, "services"), _on_admin)


async def _on_keys(options: argparse.Namespace, where: Addresses) -> int:
    env = Env()
    secret = env.str("PEERLY_SECRET", "") or secrets.load_or_make(data_folder(env), [SECRET])[SECRET]
    return await work_on_keys(options, where.services["auth"], secret)


async def _on_admin(options: argparse.Namespace, where: Addresses) -> int:
    return await work_on_admin(options, where.services["auth"])


def _run(options: argparse.Namespace, work: Work) -> int:
    async def run() -> int:
        async with addresses(Env()) as where:
            return await work(options, where)

    try:
        return asyncio.run(run())
    except CANNOT as error:
        sys.stderr.write(f"That could not be done: {str(error) or repr(error)}\n")
        return USAGE_ERROR
