"""`docker compose up` with a real engine: the story, kills of services and broker, what is open and who runs it.

An engine is needed, and one that tests may use: PEERLY_TEST_DOCKER=1 says so.
"""

import asyncio
import json
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from deploy.broker import SERVICES
from deploy.make_env import parse
from tests.support import google
from tests.support.ports import free_port
from tests.support.story import Story
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
SHIPPED = ("shared", "services", "gateway", "deploy", "requirements", "docs/api")
FILES = ("Dockerfile", ".dockerignore", "docker-compose.yml")
BUILT = ("migrate", "gateway-configuration", *SERVICES)
LONG_LIVED = ("gateway", *SERVICES, "postgres", "rabbitmq")
COMMAND_SECONDS, UP_SECONDS = 60, 480

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.environ.get("PEERLY_TEST_DOCKER") != "1", reason="PEERLY_TEST_DOCKER=1 allows it an engine"),
]


@dataclass(frozen=True)
class Deployment:
    """One compose project in a directory of its own."""

    directory: Path
    project: str
    port: int
    network: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def image(self) -> str:
        return f"peerly:{self.project}"

    async def compose(self, *words: str, seconds: float = COMMAND_SECONDS) -> str:
        return await self.docker("compose", "-p", self.project, *words, seconds=seconds)

    async def docker(self, *words: str, seconds: float = COMMAND_SECONDS) -> str:
        told = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PEERLY_", "GOOGLE_"))},
            "PEERLY_PORT": str(self.port), "PEERLY_NETWORK": self.network, "PEERLY_VERSION": self.project,
            "PEERLY_RATE_LIMITS": "off", "COMPOSE_FILE": "docker-compose.yml:override.yml",
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            "docker", *words, cwd=self.directory, env=told, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(seconds):
                output, complaints = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, f"docker {' '.join(words)}: {(output + complaints).decode()[-6000:]}"
        return output.decode()

    async def container(self, service: str) -> dict[str, Any]:
        name = (await self.compose("ps", "-aq", service)).strip()
        described: dict[str, Any] = json.loads(await self.docker("inspect", name))[0]
        return described

    async def crash(self, service: str) -> None:
        """Kills a container's first process from outside; the engine then follows its restart policy."""
        pid = (await self.container(service))["State"]["Pid"]
        kill = f"import os; os.kill({pid}, 9)"
        await self.docker("run", "--rm", "--pid", "host", "--user", "0", self.image, "python", "-c", kill)

    async def until_ready(self, session: aiohttp.ClientSession, within: float) -> None:
        async def is_ready() -> None:
            for path in ("/healthz", *(f"/readyz/{service}" for service in SERVICES)):
                try:
                    async with session.get(self.url + path) as answer:
                        assert answer.status == 200, f"{path}: {await answer.text()}"
                except (aiohttp.ClientError, TimeoutError) as away:
                    raise AssertionError(f"{path}: {away!r}") from None

        await eventually(is_ready, within=within, every=0.5)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def deployment(
    session: aiohttp.ClientSession, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    directory = tmp_path_factory.mktemp("deployment")
    number = secrets.randbelow(200) + 20
    made = Deployment(directory, f"peerlytest{secrets.token_hex(3)}", free_port(), f"172.29.{number}")
    copy_to(directory)
    await make_env(directory)
    try:
        await made.compose("up", "--build", "--detach", "--quiet-pull", seconds=UP_SECONDS)
        await made.until_ready(session, within=60)
        yield made
    finally:
        await made.compose("down", "--volumes", "--remove-orphans", "--timeout", "10", seconds=120)
        await made.docker("image", "rm", "--force", made.image)


def copy_to(directory: Path) -> None:
    for name in SHIPPED:
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", "secrets"))
    for name in FILES:
        shutil.copyfile(ROOT / name, directory / name)
    shutil.copyfile(google.__file__, directory / "google.py")
    (directory / "override.yml").write_text(yaml.safe_dump({"services": overrides()}))


def overrides() -> dict[str, Any]:
    """A build that may reach the packages, and a Google of the tests."""
    services: dict[str, Any] = {name: {"build": {"network": "host"}} for name in BUILT}
    services["auth"]["environment"] = google.Google(address="http://google:8200").environment
    services["google"] = {
        "image": "peerly:${PEERLY_VERSION}",
        "command": ["python", "/google.py", "8200"],
        "volumes": ["./google.py:/google.py:ro"],
        "networks": ["front"],
        "healthcheck": {"disable": True},
        "depends_on": {"migrate": {"condition": "service_completed_successfully"}},
    }
    return services


async def make_env(directory: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "deploy/make_env.py", cwd=directory)
    assert await process.wait() == 0


@pytest_asyncio.fixture(loop_scope="session")
async def story(deployment: Deployment, session: aiohttp.ClientSession) -> Story:
    made = parse((deployment.directory / ".env").read_text())
    begun = Story(deployment.url, session, made["PEERLY_ADMIN_EMAIL"], made["PEERLY_ADMIN_PASSWORD"])
    await begun.begin()
    return begun


async def test_the_story_in_containers_ends_right(story: Story) -> None:
    first = await story.thank()
    await story.thank()
    await story.report_and_hide(first)
    await story.check()


async def test_services_and_broker_that_crash_come_back_and_nothing_is_lost(
    deployment: Deployment, session: aiohttp.ClientSession, story: Story
) -> None:
    first = await story.thank()
    for victim in ("quota", "rabbitmq"):
        await deployment.crash(victim)
    await story.thank()
    for victim in ("recognition", "moderation", "auth", "gateway"):
        await deployment.crash(victim)
    await story.report_and_hide(first)
    await deployment.until_ready(session, within=90)
    await story.check()


async def test_the_database_may_crash_too(deployment: Deployment, session: aiohttp.ClientSession, story: Story) -> None:
    first = await story.thank()
    await deployment.crash("postgres")
    await story.thank()
    await story.report_and_hide(first)
    await deployment.until_ready(session, within=60)
    await story.check()


async def test_only_the_gateway_is_published(deployment: Deployment) -> None:
    published = {}
    for service in (*LONG_LIVED, "gateway-configuration", "migrate"):
        settings = (await deployment.container(service))["NetworkSettings"]
        published[service] = [place["HostPort"] for places in settings["Ports"].values() for place in places or []]
    assert set(published.pop("gateway")) == {str(deployment.port)}
    assert not any(published.values()), published


async def test_nothing_runs_as_root_or_may_become_it(deployment: Deployment) -> None:
    for service in LONG_LIVED:
        container = await deployment.container(service)
        rows = (await deployment.docker("top", container["Id"], "-eo", "uid,pid")).splitlines()[1:]
        assert rows
        assert "0" not in {row.split()[0] for row in rows}, service
        assert container["HostConfig"]["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in container["HostConfig"]["SecurityOpt"]
        assert container["HostConfig"]["Memory"] > 0
        assert container["HostConfig"]["PidsLimit"] > 0
        assert container["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


async def test_the_broker_has_no_guest_and_talks_to_nobody_but_clients(deployment: Deployment) -> None:
    users = await deployment.compose("exec", "-T", "rabbitmq", "rabbitmqctl", "--quiet", "list_users")
    assert "guest" not in users
    assert "peerly_quota" in users
    sockets = await deployment.compose("exec", "-T", "rabbitmq", "cat", "/proc/net/tcp", "/proc/net/tcp6")
    rows = [line.split() for line in sockets.splitlines()]
    listening = {row[1] for row in rows if len(row) > 3 and row[3] == "0A"}
    assert {place.rpartition(":")[2] for place in listening if not place.endswith("007F:" + place[-4:])} == {"1628"}


async def test_the_image_holds_no_secret(deployment: Deployment) -> None:
    image = json.loads(await deployment.docker("image", "inspect", deployment.image))[0]
    assert not any("PASSWORD" in entry or "SECRET" in entry for entry in image["Config"]["Env"])
    listed = await deployment.docker("run", "--rm", deployment.image, "ls", "-a", "/app", "/app/deploy")
    assert ".env" not in listed
    assert "secrets" not in listed


async def test_without_secrets_it_does_not_start(deployment: Deployment) -> None:
    with pytest.raises(AssertionError, match="run make env"):
        await deployment.compose("--env-file", "/dev/null", "config")


async def test_logs_hold_no_secret(deployment: Deployment, story: Story) -> None:
    await story.thank()
    logs = await deployment.compose("logs", "--no-color")
    made = parse((deployment.directory / ".env").read_text())
    for name, value in made.items():
        if name != "PEERLY_ADMIN_EMAIL":
            assert value not in logs, name
    assert story.people["ann"].token not in logs
