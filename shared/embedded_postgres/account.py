"""PostgreSQL refuses to run as root: the account under which its programs run here."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMESPACE = ("--user", "--map-user=65534", "--map-group=65534")
ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"}
INSTEAD = (
    "Run Peerly as an ordinary user, or set PEERLY_DATA_DIR to a folder that any user may enter, "
    "or set DATABASE_URL to a PostgreSQL that runs already."
)


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """How to run a program so that it is not root; `uid` and `gid` own the files that it writes."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    @property
    def _is_another(self) -> bool:
        return self.uid != os.geteuid()

    def start(self, *words: str, output: Path) -> subprocess.Popen[bytes]:
        """A process in a session of its own, so that a Ctrl-C in the terminal stops Peerly first and it afterwards."""
        with output.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - the words are ours
                [*self.prefix, *words],
                cwd="/",
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.uid if self._is_another else None,
                group=self.gid if self._is_another else None,
                extra_groups=[] if self._is_another else None,
            )

    async def run(self, *words: str, seconds: float) -> str:
        """What the program printed. Raises `EmbeddedPostgresError` with these words when it fails."""
        try:
            ended = await asyncio.to_thread(self._run_to_its_end, words, seconds)
        except subprocess.TimeoutExpired:
            raise EmbeddedPostgresError(f"{words[0]} did not end within {seconds:.0f} seconds.") from None
        output = ended.stdout.decode(errors="replace").strip()
        if ended.returncode != 0:
            raise EmbeddedPostgresError(f"{words[0]} failed: {output}")
        return output

    def _run_to_its_end(self, words: tuple[str, ...], seconds: float) -> subprocess.CompletedProcess[bytes]:
        """In a thread: uvloop starts no process as another user."""
        return subprocess.run(  # noqa: S603 - the words are ours
            [*self.prefix, *words],
            check=False,
            cwd="/",
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            user=self.uid if self._is_another else None,
            group=self.gid if self._is_another else None,
            extra_groups=[] if self._is_another else None,
        )

    def own(self, path: Path) -> None:
        """Gives the account a file, or a folder with all that lies in it, when it is not the account's yet."""
        if path.stat().st_uid == self.uid:
            return
        for each in (*path.rglob("*"), path):
            os.chown(each, self.uid, self.gid, follow_symlinks=False)


async def choose_account(folder: Path) -> Account:
    """Whoever started Peerly; for root the folder's owner, else root without its powers in a namespace, else nobody."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    owner = folder.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    unprivileged_root = await _in_namespace()
    return unprivileged_root or _nobody()


async def _in_namespace() -> Account | None:
    unshare, true = shutil.which("unshare"), shutil.which("true")
    if unshare is None or true is None:
        return None
    account = Account(0, 0, (unshare, *NAMESPACE))
    try:
        await account.run(true, seconds=10)
    except EmbeddedPostgresError:
        return None
    return account


def _nobody() -> Account:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(
            f"PostgreSQL refuses to run as root, and this machine knows no user `nobody`. {INSTEAD}"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


async def check_reach(account: Account, folder: Path, program: Path) -> None:
    """Raises `EmbeddedPostgresError` unless the account may enter the folder and run the program."""
    enter_and_run = 'cd "$1" && exec "$2" --version'
    try:
        await account.run("/bin/sh", "-c", enter_and_run, "sh", str(folder), str(program), seconds=10)
    except EmbeddedPostgresError as refused:
        raise EmbeddedPostgresError(
            f"PostgreSQL has to run as the user with the number {account.uid}, who may not enter {folder} "
            f"or may not run {program}. {INSTEAD} ({refused})"
        ) from refused
