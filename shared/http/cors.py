"""Cross-origin answers by a list of exact origins, for the process that is its own gateway."""

from __future__ import annotations

from aiohttp import hdrs, web

from shared.http.unnamed import Response

EXPOSED = "ETag, Link, X-Request-Id, RateLimit, RateLimit-Policy, Retry-After, Idempotency-Replayed, Maintenance-Window"
ALLOWED_HEADERS = (
    "Authorization, Content-Type, Accept, Idempotency-Key, If-Match, If-None-Match, X-Request-Id, X-Request-Timeout,"
    " X-Org-Id, X-Perscom-Id, X-Api-Key"
)
ALLOWED_METHODS = "GET, POST, PUT, PATCH, DELETE"


OF_PAGES = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "Authorization, Accept, If-None-Match, X-Request-Id, X-Request-Timeout",
    "Access-Control-Max-Age": "600",
}
"""What a preflight is told where publishable keys are taken: it names no key, so that any page may ask."""


def for_page(origin: str) -> dict[str, str]:
    """What an answer to a page carries that may use its key."""
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}


def headers_for(request: web.Request, origins: tuple[str, ...]) -> dict[str, str]:
    """What an answer to this request's origin carries."""
    if not origins:
        return {}
    origin = request.headers.get(hdrs.ORIGIN, "")
    if origin not in origins:
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}


def is_preflight(request: web.Request) -> bool:
    """Whether a browser asks if it may ask."""
    return request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers


def preflight(request: web.Request, origins: tuple[str, ...]) -> Response | None:
    """The answer to a preflight request of a listed origin."""
    if request.headers.get(hdrs.ORIGIN, "") not in origins:
        return None
    allowed = {
        "Access-Control-Allow-Methods": ALLOWED_METHODS,
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": "600",
    }
    return Response(status=204, headers=allowed)
