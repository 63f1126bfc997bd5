"""Headers that every answer carries, and those of requests that prove somebody."""

from __future__ import annotations

from multidict import MultiMapping

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STRICT_TRANSPORT = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}


def security_headers(public_url: str) -> dict[str, str]:
    """The headers for a Peerly at this address: behind https browsers are told to stay with it."""
    return SECURITY_HEADERS | (STRICT_TRANSPORT if public_url.startswith("https://") else {})


def sole_header(headers: MultiMapping[str], name: str) -> str:
    """The value of a header that is there once, else nothing: who is in between might have looked at another one."""
    values = headers.getall(name, [])
    return values[0] if len(values) == 1 else ""
