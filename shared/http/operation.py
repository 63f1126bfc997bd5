"""One declaration of a route: who may call it, what goes in, what comes out; parsed and documented from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import marshmallow as ma

from shared.errors import Refusal
from shared.http.answers import Answer
from shared.http.load import LONGEST_SECONDS
from shared.identity.roles import AUTHENTICATED, PUBLIC, SCOPES
from shared.rate_limit import Policy

if TYPE_CHECKING:
    from shared.http.call import Call

HandlerOfCalls = Callable[["Call"], Awaitable[Answer]]
H = TypeVar("H", bound=HandlerOfCalls)


@dataclass(frozen=True, slots=True)
class Failures:
    """How an operation says what is wrong where the envelope is not what its clients read.

    `tell` makes the answer; `schema` describes its JSON, None stands for text of the media type.
    """

    tell: Callable[[Refusal], Answer]
    media_type: str = "application/json"
    schema: ma.Schema | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a handler declares of itself.

    `permission` is a `verb:resource`, `AUTHENTICATED` or `PUBLIC`; `tenant` is false for routes that work without an
    organisation; `invalid` is the message of its 400s and `resource` names the thing in "<resource> not found".
    `during_maintenance` is for what goes on within a maintenance window though it is neither GET nor HEAD.
    The body is JSON, an HTML form's fields where it is a `form`, or parts with files where it is an `upload`, which the
    handler reads itself; without `failures` errors come in the envelope. The work takes `seconds` at most, sending a
    body as it comes about `stream_seconds`.
    `other_media_types` are further forms of a success that is not enveloped, as text. What is dear has a `limit` for
    each organisation besides those that everything has; its handler counts with `Call.count_as_dear`.
    Where there is an `also`, the handler asks for one of these permissions besides; `headers` are those that it reads
    itself. Answers of a GET that is `conditional` have an entity tag, to which `If-None-Match` is compared.
    """

    summary: str
    permission: str
    answers: Mapping[int, ma.Schema | None]
    body: ma.Schema | None = None
    query: ma.Schema | None = None
    refuses: Sequence[type[Refusal]] = ()
    invalid: str = "Invalid data"
    resource: str = "Resource"
    tag: str = ""
    tenant: bool = True
    many: bool = False
    enveloped: bool = True
    meta: ma.Schema | None = None
    description: str = ""
    idempotent: bool = True
    media_type: str = "application/json"
    form: bool = False
    failures: Failures | None = None
    during_maintenance: bool = False
    upload: bool = False
    seconds: float = LONGEST_SECONDS
    stream_seconds: float | None = None
    other_media_types: Sequence[str] = ()
    limit: Policy | None = None
    also: Sequence[str] = ()
    headers: Sequence[str] = ()
    conditional: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path with its handler, as in the table of `app.py`. Path parameters that end in `id` are ids."""

    method: str
    path: str
    handler: HandlerOfCalls
    operation: Operation = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "operation", operation_of(self.handler))


_OPERATIONS: dict[HandlerOfCalls, Operation] = {}


def operation(
    *,
    summary: str,
    permission: str,
    answers: Mapping[int, ma.Schema | None],
    body: ma.Schema | None = None,
    query: ma.Schema | None = None,
    refuses: Sequence[type[Refusal]] = (),
    invalid: str = "Invalid data",
    resource: str = "Resource",
    tag: str = "",
    tenant: bool = True,
    many: bool = False,
    enveloped: bool = True,
    meta: ma.Schema | None = None,
    description: str = "",
    idempotent: bool = True,
    media_type: str = "application/json",
    form: bool = False,
    failures: Failures | None = None,
    during_maintenance: bool = False,
    upload: bool = False,
    seconds: float = LONGEST_SECONDS,
    stream_seconds: float | None = None,
    other_media_types: Sequence[str] = (),
    limit: Policy | None = None,
    also: Sequence[str] = (),
    headers: Sequence[str] = (),
    conditional: bool = True,
) -> Callable[[H], H]:
    """Declares a handler. Raises `ValueError` for a permission that no role table knows."""
    unknown = {permission, *also} - SCOPES - {AUTHENTICATED, PUBLIC}
    if unknown:
        raise ValueError(f"{sorted(unknown)} are in no role's permissions")

    def declare(handler: H) -> H:
        _OPERATIONS[handler] = Operation(
            summary=summary,
            permission=permission,
            answers=answers,
            body=body,
            query=query,
            refuses=refuses,
            invalid=invalid,
            resource=resource,
            tag=tag,
            tenant=tenant and permission != PUBLIC,
            many=many,
            enveloped=enveloped,
            meta=meta,
            description=description,
            idempotent=idempotent,
            media_type=media_type,
            form=form,
            failures=failures,
            during_maintenance=during_maintenance,
            upload=upload,
            seconds=seconds,
            stream_seconds=stream_seconds,
            other_media_types=other_media_types,
            limit=limit,
            also=also,
            headers=headers,
            conditional=conditional,
        )
        return handler

    return declare


def operation_of(handler: HandlerOfCalls) -> Operation:
    """A handler's declaration. Raises `LookupError` for a handler without one."""
    try:
        return _OPERATIONS[handler]
    except KeyError:
        raise LookupError(f"{handler.__module__}.{handler.__qualname__} declares no operation") from None
