"""Servers, databases and virtual hosts for all tests; a skip that is not listed fails."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.databases import Build, Databases, ScratchDatabase, build_template
from tests.support.servers import POSTGRES, RABBITMQ, Postgres, Rabbitmq, first_usable

LISTED_SKIPS = Path(__file__).parent / "support" / "skips.txt"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made in it
MEMORY_FOR_SERVERS = 8 << 30
"""Bytes: several sessions side by side take a few GB at most."""
SERVERS = pytest.StashKey[list[str]]()

# How long an example takes says more about the machine than about the code.
settings.register_profile("peerly", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("peerly")


@pytest.fixture(scope="session")
def servers_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where private servers keep their files: in memory if there is enough, since each test writes a database."""
    if SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > MEMORY_FOR_SERVERS:
        with tempfile.TemporaryDirectory(prefix="peerly-tests-", dir=SHARED_MEMORY) as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
async def postgres(servers_folder: Path, pytestconfig: pytest.Config) -> AsyncIterator[Postgres]:
    async with first_usable("PostgreSQL", POSTGRES, servers_folder) as server:
        pytestconfig.stash[SERVERS].append(f"PostgreSQL: {server.source}")
        yield server


@pytest.fixture(scope="session")
async def rabbitmq(servers_folder: Path, pytestconfig: pytest.Config) -> AsyncIterator[Rabbitmq]:
    async with first_usable("RabbitMQ", RABBITMQ, servers_folder) as broker:
        pytestconfig.stash[SERVERS].append(f"RabbitMQ: {broker.source}")
        yield broker
        await broker.remove_virtual_hosts()


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """The superuser's URL."""
    return postgres.url


@pytest.fixture(scope="session")
async def databases(postgres: Postgres) -> AsyncIterator[Databases]:
    made = Databases(postgres)
    yield made
    await made.close()


@pytest.fixture
def template_builder() -> Build:
    """What is in a test's database: all services' schemas, unless a folder's conftest.py overrides it."""
    return build_template


@pytest.fixture
async def scratch(databases: Databases, template_builder: Build) -> AsyncIterator[ScratchDatabase]:
    """This test's own database: `scratch.url("quota")` as the service, `scratch.admin_url` as the superuser."""
    made = await databases.make(template_builder)
    yield made
    await databases.drop(made)


@pytest.fixture
async def amqp_url(rabbitmq: Rabbitmq) -> AsyncIterator[str]:
    """The administrator's URL of this test's own virtual host."""
    async with rabbitmq.virtual_host() as url:
        yield url


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SERVERS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for server in config.stash[SERVERS]:
        terminalreporter.write_line(server)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") and os.environ.get("PEERLY_TEST_DOCKER") != "1":
        pytest.skip("starts containers: set PEERLY_TEST_DOCKER=1 where a Docker engine runs")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip or an expected failure counts as a failure, unless skips.txt lists the test or its file."""
    report = yield
    if report.skipped and not _is_listed(item.nodeid):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and {LISTED_SKIPS.name} does not list it: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """So does the skip of a whole file."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped as a whole: {report.longrepr}"
    return report


def _is_listed(nodeid: str) -> bool:
    lines = (line.partition("#")[0].strip() for line in LISTED_SKIPS.read_text().splitlines())
    test = nodeid.partition("[")[0]
    return any(line and (test == line or test.startswith(f"{line}::")) for line in lines)
