"""A RabbitMQ of the tests' own, from installed programs: to declare queues on, and to kill."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psutil

from shared.bus.connection import BROKER_IS_AWAY, close, connect
from tests.support.ports import free_port
from tests.support.waiting import eventually

START_SECONDS = 90.0
STOP_SECONDS = 20.0
COMMAND_SECONDS = 60.0
LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"
CONFIGURATION = """\
listeners.tcp.local = 127.0.0.1:{port}
log.console = false
log.file.level = info
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
raft.wal_max_size_bytes = 67108864
"""


def rabbitmq_scripts() -> Path | None:
    """The folder of RabbitMQ's own scripts; Debian's wrappers on the PATH refuse ordinary users."""
    installed = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"), key=_version)
    if installed:
        return installed[-1].parent
    on_path = shutil.which("rabbitmq-server")
    return Path(on_path).resolve().parent if on_path else None


def _version(script: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", script.parents[1].name))


class PrivateRabbitmq:
    """A broker with a folder, ports, an epmd and a cookie of its own; it keeps them through a restart.

    `url` is the virtual host / as the administrator guest.
    """

    def __init__(self, folder: Path) -> None:
        scripts = rabbitmq_scripts()
        assert scripts is not None, "RabbitMQ is not installed (on Debian or Ubuntu: apt-get install rabbitmq-server)"
        self._scripts = scripts
        self._folder = folder.resolve()
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._epmd_port = free_port()
        self._distribution_port = free_port()
        self._node = f"peerly-{secrets.token_hex(4)}@localhost"
        self._epmd: subprocess.Popen[bytes] | None = None
        self._broker: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns when the broker takes connections."""
        self._write_configuration()
        if self._epmd is None:
            epmd = shutil.which("epmd")
            assert epmd is not None, "epmd is not on the PATH; it comes with Erlang"
            self._epmd = self._run([epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1"])
        self._broker = self._run([str(self._scripts / "rabbitmq-server")])
        await eventually(self._accepts, within=START_SECONDS, every=0.1)

    async def stop(self) -> None:
        """Ends the broker in order, or by force after a while; nothing of it is left."""
        if self._broker is not None:
            running = self._processes()
            _signal(running, signal.SIGTERM)
            try:
                await self._until_gone(running, STOP_SECONDS)
            finally:
                await self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None

    async def kill(self) -> None:
        """kill -9 of the broker with all its processes."""
        running = self._processes()
        _signal(running, signal.SIGKILL)
        await self._until_gone(running, STOP_SECONDS)
        self._broker = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def control(self, *words: str) -> str:
        """What `rabbitmqctl` says."""
        command = [str(self._scripts / "rabbitmqctl"), "--quiet", "--node", self._node, *words]
        return await run_command(command, self._environment())

    def has_registered(self, queue: str) -> bool:
        """Whether a quorum queue of the virtual host / is in the register on disk.

        RabbitMQ writes it up to half a second after the declaration's answer, and a kill before that ruins the queue.
        """
        registers = (self._folder / "data").rglob("names.dets")
        return any(f"%2F_{queue}".encode() in register.read_bytes() for register in registers)

    def _processes(self) -> list[psutil.Process]:
        if self._broker is None or self._broker.poll() is not None:
            return []
        script = psutil.Process(self._broker.pid)
        return [script, *script.children(recursive=True)]

    async def _until_gone(self, processes: Sequence[psutil.Process], seconds: float) -> None:
        def gone() -> bool:
            if self._broker is not None:
                self._broker.poll()
            return not any(map(_is_running, processes))

        await eventually(gone, within=seconds)

    async def _accepts(self) -> bool:
        assert self._broker is not None
        assert self._broker.poll() is None, f"RabbitMQ ended while it started; see {self._folder / 'log'}"
        return await accepts(self.url)

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / "output.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _write_configuration(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port))
        (self._folder / "rabbitmq-env.conf").write_text("")
        (self._folder / "enabled_plugins").write_text("[].\n")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self._folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_FLAGS": LOOPBACK,
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none",
        }


async def accepts(url: str) -> bool:
    """Whether a broker takes this user's connections there."""
    place = urlsplit(url)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(place.hostname, place.port or 5672), 2)
        writer.close()
        await close(await connect(url, 5))
    except BROKER_IS_AWAY:
        return False
    return True


async def run_command(command: Sequence[str], environment: dict[str, str] | None = None) -> str:
    """What the program printed; fails with these words when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{command[0]} failed: {output.decode(errors='replace')}"
    return output.decode().strip()


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
