"""What the one process says to the person who started it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TextIO

from environs import Env, EnvError

from services.auth.bootstrap import DEFAULT_EMAIL, Admin, make_admin
from services.auth.hashing import Hasher
from shared.context import Context
from shared.service import Running
from shared.version import VERSION

if TYPE_CHECKING:
    from services.demo import Demo

_CURL = """
Try it (paste as they are):

  TOKEN=$(curl -s {url}/login -H 'Content-Type: application/json' \\
    -d '{{"username": "{email}", "password": "{password}"}}' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')

  curl -s {url}/recognitions -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
    -d '{{"given_for": {colleague}, "core_value_id": {core_value}, "text": "Thank you for the great start!"}}'

  curl -s "{url}/recognitions?limit=3" -H "Authorization: Bearer $TOKEN"
"""


class Welcome:
    """Says what is going on while it starts, then where it is and how to get in."""

    def __init__(self, out: TextIO, data_dir: Path, *, demo: bool) -> None:
        self._out = out
        self._data_dir = data_dir
        self._demo = demo
        self._began = monotonic()

    def starting(self) -> None:
        """The first line, at once."""
        self._say(f"Peerly {VERSION} is starting; its data is in {self._data_dir}")

    async def ready(self, running: Sequence[Running], url: str, stop: asyncio.Event) -> None:
        """Where it is, and on the first start who may sign in and what to try."""
        self._say(f"Ready at {url} after {monotonic() - self._began:.1f} s. Documentation: {url}/docs")
        auth = next(one.context for one in running if one.context.service == "auth")
        admin = await _first_admin(auth)
        if admin is not None:
            self._say(str(admin))
        if self._demo and not stop.is_set():
            from services import demo

            filled = await demo.fill(running)
            if filled is not None:
                self._introduce(filled, url)
        self._say("Stop it with Ctrl-C.")

    def stopping(self) -> None:
        """The last line."""
        self._say("Stopping: running requests end first.")

    def _introduce(self, filled: Demo, url: str) -> None:
        self._say(f"Demo organisation {filled.organisation_name!r} with {filled.people} people, shown this once:")
        self._say(f"  admin     {filled.admin.email} / {filled.admin.password}")
        self._say(f"  employee  {filled.employee.email} / {filled.employee.password}")
        self._say(
            _CURL.format(
                url=url,
                email=filled.employee.email,
                password=filled.employee.password,
                colleague=filled.colleague_id,
                core_value=filled.core_value_id,
            )
        )

    def _say(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()


async def _first_admin(auth: Context) -> Admin | None:
    """Made where nobody can sign in yet and the operator named no password."""
    env = Env()
    if env.str("PEERLY_ADMIN_EMAIL", "") and env.str("PEERLY_ADMIN_PASSWORD", ""):
        return None
    email = env.str("PEERLY_ADMIN_EMAIL", "") or DEFAULT_EMAIL
    made = await make_admin(auth.database, auth.get(Hasher), auth.clock, email)
    auth.wake()
    return made


def demo_is_wanted(env: Env) -> bool:
    """`PEERLY_DEMO` on or off; without it, off where the operator named an admin of their own. Raises `EnvError`."""
    wanted = env.str("PEERLY_DEMO", "").lower()
    if wanted not in {"", "on", "off"}:
        raise EnvError(f"PEERLY_DEMO is {wanted!r}; it must be on or off")
    return wanted == "on" if wanted else not env.str("PEERLY_ADMIN_EMAIL", "")
