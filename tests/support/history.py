"""What clients asked and were told, and what of it is there afterwards."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import aiohttp

AWAY = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
UNKNOWN = frozenset({0, 502, 503, 504})
"""Answers that do not say whether it happened; 0 stands for none at all."""


@dataclass
class Operation:
    """One request that makes something, with its idempotency key and each answer that it got."""

    key: str
    giver: int
    recognition_id: int
    statuses: list[int] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """`ok`, `fail` or `unknown`, by the last answer."""
        last = self.statuses[-1]
        if last == 201:
            return "ok"
        return "unknown" if last in UNKNOWN else "fail"


@dataclass(frozen=True)
class Verdict:
    """How the answers compare with what is there."""

    acknowledged: int
    failed: int
    lost: int
    unexpected: int
    duplicated: int
    recovered: int


def judge(operations: Iterable[Operation], present: Iterable[tuple[int, int]]) -> Verdict:
    """Compares by (recognition, giver): each pair may be there once, and only where its giver was not refused."""
    there = Counter(present)
    by_outcome: dict[str, list[Operation]] = {"ok": [], "fail": [], "unknown": []}
    for operation in operations:
        by_outcome[operation.outcome].append(operation)
    return Verdict(
        acknowledged=len(by_outcome["ok"]),
        failed=len(by_outcome["fail"]),
        lost=sum(not there[_pair(one)] for one in by_outcome["ok"]),
        unexpected=sum(there[_pair(one)] for one in by_outcome["fail"]),
        duplicated=sum(count - 1 for count in there.values()),
        recovered=sum(there[_pair(one)] for one in by_outcome["unknown"]),
    )


def _pair(operation: Operation) -> tuple[int, int]:
    return operation.recognition_id, operation.giver


class Client:
    """Gives hi5s and writes down what happened."""

    def __init__(self, url: str, session: aiohttp.ClientSession, tokens: Mapping[int, str]) -> None:
        self._url = url
        self._session = session
        self._tokens = tokens
        self.operations: list[Operation] = []

    async def give_hi5(self, giver: int, recognition_id: int) -> Operation:
        """Asks once."""
        operation = Operation(secrets.token_hex(8), giver, recognition_id)
        self.operations.append(operation)
        await self.repeat(operation)
        return operation

    async def repeat(self, operation: Operation) -> None:
        """Asks (again) with the operation's key."""
        headers = {
            "Authorization": f"Bearer {self._tokens[operation.giver]}",
            "Idempotency-Key": operation.key,
        }
        path = f"{self._url}/recognitions/{operation.recognition_id}/hi5"
        try:
            async with self._session.post(path, headers=headers) as answer:
                await answer.read()
                operation.statuses.append(answer.status)
        except AWAY:
            operation.statuses.append(0)
