"""Servers in containers, of the images that the compose file runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import docker
import yaml
from docker.errors import DockerException
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.rabbitmq import RabbitMqContainer
from testcontainers.core.container import DockerContainer

from tests.support.servers import Unusable

LOCAL_ENGINE = "/var/run/docker.sock"
COMPOSE_FILE = Path(__file__).parents[2] / "docker-compose.yml"


def engine_answers() -> bool:
    """Whether a Docker engine is there to start containers."""
    if "DOCKER_HOST" not in os.environ and not _takes_connections(LOCAL_ENGINE):
        return False
    try:
        with contextlib.closing(docker.from_env(timeout=3)) as engine:
            return bool(engine.ping())
    except (DockerException, OSError):
        return False


def _takes_connections(path: str) -> bool:
    """Docker's client leaves its socket open when nobody is at the other end."""
    with socket.socket(socket.AF_UNIX) as asked:
        return asked.connect_ex(path) == 0


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """A PostgreSQL's superuser URL."""
    container = PostgresContainer(
        _image("postgres"), username="postgres", password=secrets.token_hex(8), dbname="postgres", driver=None
    ).with_tmpfs_mount("/var/lib/postgresql/data")
    async with _running(container):
        yield container.get_connection_url()


@asynccontextmanager
async def rabbitmq() -> AsyncIterator[tuple[str, Callable[..., Awaitable[str]]]]:
    """A RabbitMQ's administrator URL and its rabbitmqctl."""
    container = RabbitMqContainer(_image("rabbitmq"), username="peerly", password=secrets.token_hex(8))

    async def control(*words: str) -> str:
        done = await asyncio.to_thread(container.exec, ["rabbitmqctl", "--quiet", *words])
        assert done.exit_code == 0, done.output.decode()
        return done.output.decode().strip()

    async with _running(container):
        place = f"{container.get_container_host_ip()}:{container.get_exposed_port(container.port)}"
        yield f"amqp://{container.username}:{container.password}@{place}/", control


def _image(service: str) -> str:
    services = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    return str(services[service]["image"])


@asynccontextmanager
async def _running(container: DockerContainer) -> AsyncIterator[None]:
    try:
        try:
            await asyncio.to_thread(container.start)
        except DockerException as why:
            raise Unusable(f"the Docker engine could not start {container.image}: {why}") from why
        yield
    finally:
        await asyncio.to_thread(container.stop)
