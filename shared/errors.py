"""What can be wrong with a request, each mapped to one HTTP answer in `shared.http.answers`."""

from collections.abc import Mapping


class Refusal(Exception):
    """Root of everything that a client is told in an error envelope."""

    status = 400
    code = "invalid_data"
    message = "Invalid data"

    def __init__(
        self,
        message: str | None = None,
        *,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or self.message
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})
        super().__init__(self.message)


class InvalidData(Refusal):
    """The request's form is wrong; `fields` names every wrong field."""


class InsufficientBalance(Refusal):
    """The running period's hi5s are spent."""

    code = "insufficient_hi5_balance"
    message = "Hi5 quota balance is insufficient for this action"


class InvalidToken(Refusal):
    """No valid credential came with the request."""

    status, code, message = 401, "invalid_token", "unauthorized user"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class AccessDenied(Refusal):
    """The credential lacks the permission."""

    status, code, message = 403, "access_denied", "Permission required"


class NotFound(Refusal):
    """No such thing, as far as the caller may know; `resource` as in "Core value not found"."""

    status, code = 404, "not_found"

    def __init__(self, resource: str = "Resource") -> None:
        super().__init__(f"{resource} not found")


class MethodNotAllowed(Refusal):
    """The path exists, but not for this method."""

    status, code, message = 405, "method_not_allowed", "This path does not take this method; see the Allow header"


class NotAcceptable(Refusal):
    """Another version of the interface was asked for."""

    status, code, message = 406, "not_acceptable", "Only version 1 (application/vnd.peerly.v1) is served here"


class Conflict(Refusal):
    """It clashes with what is already there."""

    status, code, message = 409, "conflict", "This conflicts with the present state"


class RequestInProgress(Refusal):
    """The first request with this Idempotency-Key still runs."""

    status, code = 409, "request_in_progress"
    message = "A request with this Idempotency-Key is still running; ask again in a moment"


class VersionMismatch(Refusal):
    """`If-Match` names another version than the present one."""

    status, code, message = 412, "version_mismatch", "It was changed in the meantime; read it again and repeat"


class PayloadTooLarge(Refusal):
    """The body is over its limit."""

    status, code, message = 413, "payload_too_large", "The body is larger than 256 kB"


class UnsupportedMediaType(Refusal):
    """The body is not JSON."""

    status, code, message = 415, "unsupported_media_type", "Send the body as application/json"


class Unprocessable(Refusal):
    """Well-formed, but the rules forbid it."""

    status, code, message = 422, "unprocessable_entity", "The rules do not allow this"


class IdempotencyKeyReused(Refusal):
    """The Idempotency-Key came with another body before."""

    status, code = 422, "idempotency_key_reused"
    message = "This Idempotency-Key was used with another body"


class RateLimited(Refusal):
    """Too many requests of one caller; `retry_after` in seconds."""

    status, code, message = 429, "rate_limited", "Too many requests; wait as long as Retry-After says"

    def __init__(self, retry_after: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers={"Retry-After": str(max(1, retry_after)), **(headers or {})})


class InternalError(Refusal):
    """A defect; the log has the cause, and the client hears nothing of it."""

    status, code, message = 500, "internal_error", "internal server error"


class Unavailable(Refusal):
    """Something that is needed does not answer now; the same request may be sent again."""

    status, code, message = 503, "unavailable", "Temporarily unavailable; try again in a moment"

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)})
