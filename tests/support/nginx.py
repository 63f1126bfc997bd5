"""A real nginx with the project's configuration, in front of four stand-ins that say what reached them."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from gateway.render import command, render
from gateway.settings import SERVICE_PORTS, GatewaySettings
from tests.support.ports import free_port


@dataclass
class StandIn:
    """Answers every request with what it received; its query asks for other behaviour."""

    name: str
    requests: Counter[str] = field(default_factory=Counter)
    connections: set[int] = field(default_factory=set)
    request_ids: list[str] = field(default_factory=list)
    drop: int = 0
    port: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[StandIn]:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests[request.raw_path.partition("?")[0]] += 1
        self.connections.add(id(request.transport))
        self.request_ids.append(request.headers.get("X-Request-Id", "none"))
        if self.drop:
            self.drop -= 1
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        await asyncio.sleep(float(request.query.get("wait", "0")))
        headers = json.loads(request.query.get("headers", "{}"))
        if "pad" in request.query:
            return web.json_response({"data": "x" * int(request.query["pad"])}, headers=headers)
        return web.json_response(
            self._seen(request, body), status=int(request.query.get("status", "200")), headers=headers
        )

    def _seen(self, request: web.Request, body: bytes) -> dict[str, Any]:
        return {
            "service": self.name,
            "method": request.method,
            "path": request.raw_path,
            "bytes": len(body),
            "headers": {name.lower(): value for name, value in request.headers.items()},
        }


@dataclass
class RunningGateway:
    """One nginx and its stand-ins."""

    settings: GatewaySettings
    stand_ins: dict[str, StandIn]
    session: ClientSession
    process: asyncio.subprocess.Process

    @property
    def port(self) -> int:
        return int(self.settings.listen.rpartition(":")[2])

    @property
    def url(self) -> str:
        return f"http://{self.settings.listen}"

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in Path(self.settings.access_log).read_text().splitlines()]

    async def raw(self, sent: bytes, *, within: float = 10) -> bytes:
        """Everything that one connection gives back until the gateway closes it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(sent)
            async with asyncio.timeout(within):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def running_gateway(**changes: Any) -> AsyncIterator[RunningGateway]:
    """A gateway with four stand-ins; `changes` are fields of its settings."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stand_ins = {name: await stack.enter_async_context(StandIn(name).running()) for name in SERVICE_PORTS}
        settings = replace(_settings(directory, stand_ins), **changes)
        render(settings)
        process = await asyncio.create_subprocess_exec(*command(settings))
        stack.push_async_callback(_stop, process)
        session = await stack.enter_async_context(ClientSession(f"http://{settings.listen}"))
        await _answering(session)
        yield RunningGateway(settings, stand_ins, session, process)


def _settings(directory: Path, stand_ins: dict[str, StandIn]) -> GatewaySettings:
    return GatewaySettings(
        listen=f"127.0.0.1:{free_port()}",
        services={name: f"127.0.0.1:{stand_in.port}" for name, stand_in in stand_ins.items()},
        config=directory / "gateway",
        runtime=directory / "runtime",
        documents=directory / "documents",
        access_log=str(directory / "access.log"),
        workers="1",
    )


async def _answering(session: ClientSession) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                async with session.get("/healthz"):
                    return
            except OSError:
                await asyncio.sleep(0.02)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    async with asyncio.timeout(10):
        await process.wait()
