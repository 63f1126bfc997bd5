"""A TCP proxy that does to a connection what networks do: delays, cuts, silence, resets, slow and sliced bytes."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

CHUNK = 65_536
LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass
class Toxics:
    """All of them off: bytes pass as they come. Seconds, bytes and bytes a second."""

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float = 0.0
    slices: int = 0
    reset_after: int = 0
    refuse: bool = False
    lose_answers_with: bytes = b""
    answers_to_lose: int = 0


@dataclass
class ToxicProxy:
    """Listens on a port of its own in front of a server on 127.0.0.1."""

    target_port: int
    port: int = 0
    toxics: Toxics = field(default_factory=Toxics)
    lost_answers: int = 0
    resets: int = 0
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def in_front_of(self, url: str) -> str:
        """The server's address by way of this proxy."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.port}"))

    def heal(self) -> None:
        self.toxics = Toxics()
        self._flowing.set()

    def black_hole(self) -> None:
        """Connections stay, new ones are taken, and no byte passes."""
        self._flowing.clear()

    def cut(self) -> None:
        """Resets every connection and refuses new ones, until healed."""
        self.toxics.refuse = True
        self.reset_all()

    def reset_all(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self.toxics.refuse:
                _reset(writer)
                return
            await self._flowing.wait()
            await self._connect(reader, writer)
        except OSError:
            _reset(writer)
        finally:
            self._writers.discard(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        self._writers.add(there_writer)
        tasks = [
            asyncio.create_task(self._pass_on(reader, there_writer, answers=False)),
            asyncio.create_task(self._pass_on(there_reader, writer, answers=True)),
        ]
        self._tasks.update(tasks)
        try:
            await asyncio.wait(tasks)
        finally:
            self._writers.discard(there_writer)
            self._tasks.difference_update(tasks)
            for task in tasks:
                task.cancel()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        left = random.randint(1, self.toxics.reset_after) if self.toxics.reset_after else None
        try:
            while data := await source.read(CHUNK):
                await self._flowing.wait()
                if answers and self._is_to_be_lost(data):
                    self.reset_both(sink)
                    return
                if left is not None and (left := left - len(data)) <= 0:
                    self.resets += 1
                    sink.write(data[: max(left + len(data), 0)])
                    self.reset_both(sink)
                    return
                await self._send(data, sink)
        except OSError:
            pass
        finally:
            sink.close()

    def reset_both(self, sink: asyncio.StreamWriter) -> None:
        """The other half ends when its read does."""
        _reset(sink)

    def _is_to_be_lost(self, data: bytes) -> bool:
        marker = self.toxics.lose_answers_with
        if not marker or self.toxics.answers_to_lose <= 0 or marker not in data:
            return False
        self.toxics.answers_to_lose -= 1
        self.lost_answers += 1
        return True

    async def _send(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        toxics = self.toxics
        if toxics.latency or toxics.jitter:
            await asyncio.sleep(max(0.0, toxics.latency + random.uniform(-1, 1) * toxics.jitter))
        size = toxics.slices or len(data)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            sink.write(piece)
            await sink.drain()
            if toxics.bandwidth:
                await asyncio.sleep(len(piece) / toxics.bandwidth)
            elif toxics.slices:
                await asyncio.sleep(0)

    async def close(self) -> None:
        self.reset_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[ToxicProxy]:
    proxy = ToxicProxy(port)
    proxy.heal()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends the connection as a crash of the other side would: RST instead of FIN."""
    handle = writer.get_extra_info("socket")
    with suppress(OSError):
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()
