"""Brings the whole system up, keeps it up, and takes it down within ten seconds."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Self

import aiohttp

from deploy.broker import ADMIN, EVERYONE, SERVICES
from gateway.render import DOCUMENTS, command, render
from gateway.settings import GatewaySettings, InvalidSetting, from_environment
from services import secrets
from services.processes import broker, database
from services.processes.child import Child
from services.processes.settings import PYTHON, CannotStart, ProcessSettings
from shared import telemetry

GATEWAY = "gateway"
DRAIN_GATEWAY_SECONDS = 2.0
DRAIN_SERVICE_SECONDS = 7.0
ADMIN_SECONDS = 30.0
ASK_SECONDS = 2.0
ASK_AGAIN_SECONDS = 0.05
SECRET = "secret"
FOR_RECOGNITION_ALONE = ("PEERLY_FILES_",)
FOR_AUTH_ALONE = ("PEERLY_ADMIN_", "PEERLY_SECRET", "GOOGLE_")
FOR_NO_SERVICE = ("PEERLY_ADMIN_DATABASE_URL", "PEERLY_ADMIN_AMQP_URL", "PEERLY_BROKER_MANAGEMENT_URL")


class Processes:
    """`async with Processes(settings) as system`: everything is ready inside, nothing is left after."""

    def __init__(self, settings: ProcessSettings) -> None:
        self.settings = settings
        self._directory = settings.data_dir / "processes"
        self._kept: dict[str, str] = {}
        self._children: dict[str, Child] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        return self.settings.url

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run now, by name: the services and `gateway` (nginx's master)."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    def service_url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.settings.service_ports[service]}"

    def database_url(self, service: str) -> str:
        """The database as the service's own role sees it."""
        return self._environment_of(service)["DATABASE_URL"]

    def amqp_url(self, who: str) -> str:
        """The broker as a service, or as `admin`, sees it."""
        return broker.url_of(self.settings, who, self._kept[name_in_broker(who)])

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL, *, hold: bool = False) -> None:
        """Sends a signal; what dies is started again, unless held until `start`."""
        child = self._children[name]
        if hold:
            child.want(False)
        child.send(number)

    async def start(self, name: str) -> None:
        """Starts what was held or stopped and waits until it is ready."""
        self._children[name].want(True)
        await self.until_ready(name)

    async def stop(self, name: str) -> None:
        await self._children[name].stop(DRAIN_SERVICE_SECONDS)

    async def restart(self, name: str) -> None:
        """An orderly end and a new start, as a deployment does it."""
        await self.stop(name)
        await self.start(name)

    async def __aenter__(self) -> Self:
        try:
            await self._bring_up()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if GATEWAY in self._children:
            await self._children[GATEWAY].stop(DRAIN_GATEWAY_SECONDS)
        await asyncio.gather(*(child.stop(DRAIN_SERVICE_SECONDS) for child in self._children.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bring_up(self) -> None:
        self._require_free_ports()
        self._make_directories()
        self._kept = secrets.load_or_make(self.settings.data_dir, [SECRET, *SERVICES, *map(name_in_broker, EVERYONE)])
        await database.create_if_missing(self.settings)
        passwords = {who: self._kept[name_in_broker(who)] for who in EVERYONE}
        await broker.provision(self.settings, passwords, self._directory / "broker.json")
        await database.migrate(self._environment_of_migrations())
        for service in SERVICES:
            self._run(Child(service, [*PYTHON, f"services.{service}"], self._environment_of(service)))
        self._run(self._gateway())
        await asyncio.gather(*(self.until_ready(name) for name in self._children))

    def _require_free_ports(self) -> None:
        places = {GATEWAY: (self.settings.host, self.settings.port)}
        places |= {service: ("127.0.0.1", self.settings.service_ports[service]) for service in SERVICES}
        for name, place in places.items():
            if _is_taken(place):
                raise CannotStart(
                    f"Port {place[1]} for {name} is in use. End the process that listens there"
                    + (" or choose another: PEERLY_PORT=8081" if name == GATEWAY else "")
                )

    def _make_directories(self) -> None:
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._directory.mkdir(mode=0o700, exist_ok=True)
        if self.settings.logs is not None:
            self.settings.logs.mkdir(parents=True, exist_ok=True)

    def _run(self, child: Child) -> None:
        if self.settings.logs is not None:
            child.log = self.settings.logs / f"{child.name}.log"
        self._children[child.name] = child
        self._tasks.append(asyncio.create_task(child.supervise(), name=child.name))

    def _gateway(self) -> Child:
        try:
            settings = self._gateway_settings()
            render(settings)
            words = command(settings)
        except InvalidSetting as wrong:
            raise CannotStart(str(wrong)) from None
        return Child(GATEWAY, words, dict(os.environ), stop_signal=signal.SIGQUIT)

    def _gateway_settings(self) -> GatewaySettings:
        ports = self.settings.service_ports.items()
        told = {
            **self.settings.environment,
            **{f"PEERLY_{service.upper()}_ADDRESS": f"127.0.0.1:{port}" for service, port in ports},
            "PEERLY_HOST": self.settings.host,
            "PEERLY_PORT": str(self.settings.port),
        }
        return from_environment(
            told, self._directory / "gateway", self._directory / "runtime", DOCUMENTS, self.settings.limits
        )

    def _environment_of(self, service: str) -> dict[str, str]:
        """The gateway alone is believed about addresses, and alone speaks to foreign origins."""
        alone = {"auth": FOR_AUTH_ALONE, "recognition": FOR_RECOGNITION_ALONE}
        told = self._passed_on(tuple(name for owner, names in alone.items() if owner != service for name in names))
        if service == "auth":
            told.setdefault("PEERLY_SECRET", self._kept[SECRET])
        return {
            **told,
            "DATABASE_URL": database.url_of(self.settings, service, self._kept[service]),
            "AMQP_URL": self.amqp_url(service),
            "PEERLY_HOST": "127.0.0.1",
            "PEERLY_PORT": str(self.settings.port),
            "PEERLY_SERVICE_PORT": str(self.settings.service_ports[service]),
            "PEERLY_DATA_DIR": str(self.settings.data_dir),
            "PEERLY_TRUSTED_PROXIES": "127.0.0.1",
            "PEERLY_CORS_ORIGINS": "",
        }

    def _environment_of_migrations(self) -> dict[str, str]:
        passwords = {f"PEERLY_{service.upper()}_DATABASE_PASSWORD": self._kept[service] for service in SERVICES}
        return {
            **self._passed_on((*FOR_AUTH_ALONE, *FOR_RECOGNITION_ALONE)),
            **passwords,
            "PEERLY_ADMIN_DATABASE_URL": self.settings.database_url,
            "PEERLY_ADMIN_AMQP_URL": self.amqp_url(ADMIN),
        }

    def _passed_on(self, closed: tuple[str, ...]) -> dict[str, str]:
        """Our environment without what a process need not know; `closed` are beginnings of names."""
        told = {**os.environ, **self.settings.environment, "PYTHONPATH": str(Path(__file__).parents[2])}
        return {name: value for name, value in told.items() if not name.startswith((*FOR_NO_SERVICE, *closed))}

    async def first_admin(self) -> str:
        """How the first super admin signs in, where neither the environment nor an earlier start has made one."""
        environment = self._environment_of("auth")
        if environment.get("PEERLY_ADMIN_EMAIL") and environment.get("PEERLY_ADMIN_PASSWORD"):
            return ""
        process = await asyncio.create_subprocess_exec(
            *PYTHON, "services.auth", "admin", env=environment, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(ADMIN_SECONDS):
            said, _ = await process.communicate()
        return said.decode()

    async def until_ready(self, name: str) -> None:
        """Waits for a process to say that it can work. Raises `CannotStart` with its last words after the deadline."""
        url = f"{self.url}/healthz" if name == GATEWAY else f"{self.service_url(name)}/readyz"
        deadline, answer = monotonic() + self.settings.ready_seconds, "nothing yet"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as session:
            while monotonic() < deadline:
                status, answer = await _ask(session, url)
                if status == 200:
                    return
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        raise CannotStart(self._not_ready(name, answer))

    def _not_ready(self, name: str, answer: str) -> str:
        child = self._children[name]
        words = "\n".join(child.last_lines) or (f"see {child.log}" if child.log else "it said nothing")
        seconds = f"{self.settings.ready_seconds:.0f}"
        return f"{name} was not ready within {seconds} seconds ({answer}). Its last words:\n{words}"


def name_in_broker(who: str) -> str:
    """The name under which the secrets keep a password of the broker."""
    return f"broker {who}"


def _is_taken(place: tuple[str, int]) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(place)
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


async def _ask(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    try:
        async with session.get(url) as answer:
            return answer.status, (await answer.text())[:500]
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return 0, str(error) or type(error).__name__


async def _until_told_to_stop(settings: ProcessSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    system = Processes(settings)
    starting = asyncio.create_task(system.__aenter__())
    await asyncio.wait([stopping, starting], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
        sys.stdout.write(f"Peerly answers at {system.url} (Ctrl+C stops it)\n")
        sys.stdout.write(await system.first_admin())
        sys.stdout.flush()
        await stopping
        await system.__aexit__()


def main(argv: Sequence[str]) -> int:
    """`python -m services processes`; returns the exit code."""
    argparse.ArgumentParser(
        prog="python -m services processes",
        description="Runs the four services and the gateway as processes on this machine, on a local PostgreSQL and "
        "RabbitMQ or on those of DATABASE_URL (an administrator's) and AMQP_URL.",
    ).parse_args(argv)
    telemetry.log_to_standard_output()
    try:
        asyncio.run(_until_told_to_stop(ProcessSettings.read(os.environ)))
    except CannotStart as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0
