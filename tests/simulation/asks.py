"""What people ask for: the shipped commands, with an idempotency key, repeated until there is an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

import orjson

from services.recognition.commands import allowances
from services.recognition.commands import recognitions as thanks
from services.recognition.commands.recognitions import GiveRecognition
from services.recognition.domain.recognitions import NoAllowance, UnknownPolicy
from services.recognition.store.allowances import Hi5Request
from shared import idempotency
from shared.database import Connection, Database
from shared.errors import Refusal
from shared.idempotency import Key, key_of
from shared.identity import Principal, Role

Effect = Callable[[Connection], Awaitable[int]]


def principal(org_id: int, user_id: int, role: Role) -> Principal:
    return Principal(
        user_id=user_id,
        org_id=org_id,
        org_name=None,
        role_id=int(role),
        permissions=frozenset(),
        kind="JWT",
        jti=f"1.{user_id}",
        generation=1,
        expires_at=2**40,
    )


class Ask(ABC):
    """One request of one person; `attempt` is one transaction, after which anything else may happen."""

    service: str
    route: str

    def __init__(self, caller: Principal, number: int) -> None:
        self.caller = caller
        self.number = number
        self.made: int | None = None
        self.refused: str | None = None

    @property
    def answered(self) -> bool:
        return self.made is not None or self.refused is not None

    @property
    def key(self) -> Key:
        return key_of(self.caller.actor, f"POST {self.route}", f"ask-{self.number}", {})

    async def attempt(self, database: Database) -> None:
        try:
            self.made = await self._attempt(database)
        except Refusal as refusal:
            self.refused = type(refusal).__name__

    @abstractmethod
    async def _attempt(self, database: Database) -> int | None:
        """The id of what was made; None when it is to be tried again. Raises `Refusal`."""

    def __str__(self) -> str:
        said = f" -> {self.refused or self.made}" if self.answered else ""
        return f"{self.caller.user_id} asks {self.route} ({self.number}){said}"


async def written(database: Database, ask: Ask, effect: Effect) -> int:
    """One transaction with the key and what it is for."""
    async with database.transaction(ask.caller.org_id) as tx:
        kept = await idempotency.claim(tx, ask.key)
        if kept is not None:
            return int(orjson.loads(kept.bytes))
        made = await effect(tx)
        await idempotency.keep(tx, ask.key, 201, orjson.dumps(made))
    return made


class Written(Ask):
    """A command in one transaction."""

    def __init__(self, caller: Principal, number: int, service: str, route: str, effect: Effect) -> None:
        super().__init__(caller, number)
        self.service = service
        self.route = route
        self._effect = effect

    async def _attempt(self, database: Database) -> int:
        return await written(database, self, self._effect)


class Spending(Ask):
    """What may have to open an allowance first."""

    service = "recognition"
    _opens = False

    async def _attempt(self, database: Database) -> int | None:
        if self._opens:
            self._opens = False
            async with database.transaction(self.caller.org_id) as tx:
                if not await allowances.open_allowance(tx, self.caller):
                    raise UnknownPolicy
            return None
        try:
            return await self._spend(database)
        except NoAllowance:
            self._opens = True
            return None

    @abstractmethod
    async def _spend(self, database: Database) -> int:
        """The id of what was paid with it. Raises `NoAllowance` and `Refusal`."""


class Hi5(Spending):
    def __init__(self, caller: Principal, number: int, recognition_id: int) -> None:
        super().__init__(caller, number)
        self.recognition_id = recognition_id
        self.route = f"/recognitions/{recognition_id}/hi5"

    async def _spend(self, database: Database) -> int:
        who = self.caller
        request = Hi5Request(who.org_id, f"ask-{self.number}", who.user_id, who.role_id, self.recognition_id, None)
        answer = await allowances.give_hi5(database, request, self.key)
        return int(orjson.loads(answer.body)["data"]["id"])


class Recognise(Spending):
    route = "/recognitions"

    def __init__(self, caller: Principal, number: int, given_for: int, core_value_id: int) -> None:
        super().__init__(caller, number)
        self.given_for = given_for
        self._ask = GiveRecognition(given_for=given_for, core_value_id=core_value_id, text="Thank you")

    async def _spend(self, database: Database) -> int:
        async def effect(tx: Connection) -> int:
            return (await thanks.give_recognition(tx, self.caller, self._ask)).id

        return await written(database, self, effect)
