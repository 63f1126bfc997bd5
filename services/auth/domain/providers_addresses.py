"""Which addresses of identity providers may be asked: https, nothing inside of the own network, nothing of the link."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

LONGEST_URL = 500
_URL = re.compile(r"[!-\[\]_a-z~]+")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})+", re.IGNORECASE)
_SINGLE_NAME = re.compile(_LABEL, re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_INSIDE_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""Where networks without IPv4 reach it: the last 32 bits are the IPv4 address."""
_COMPATIBLE = IPv6Network("::/96")
_OF_THE_LINK = (IPv4Network("169.254.0.0/16"), IPv6Network("fe80::/10"), IPv6Network("fd00:ec2::/32"))
"""Where clouds tell a machine its own secrets; no identity provider is there."""


class WrongAddress(ValueError):
    """No address that may be asked; the text says why."""


def check_issuer(url: str, *, inside: bool) -> None:
    """An issuer's URL, as OpenID Connect has it: without query and fragment. Raises `WrongAddress`."""
    if check_url(url, inside=inside).query:
        raise WrongAddress("Must have no query.")


def check_url(url: str, *, inside: bool) -> SplitResult:
    """An absolute https address of a host that can be outside; with `inside` of any, also by http.

    What a name stands for is seen when it is asked for. Raises `WrongAddress`.
    """
    if len(url) > LONGEST_URL or not _URL.fullmatch(url):
        raise WrongAddress(f"Must be an address of at most {LONGEST_URL} ASCII characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise WrongAddress("Must be an absolute https:// address.") from None
    if parts.scheme not in (("https", "http") if inside else ("https",)) or not host:
        raise WrongAddress("Must be an absolute https:// address.")
    if "@" in parts.netloc or "#" in url or port == 0:
        raise WrongAddress("Must have no user, no password, no fragment and no port 0.")
    if not inside and not _may_be_outside(host):
        raise WrongAddress("Must be a public host.")
    if inside and not (_is_name(host) or _literal(host)):
        raise WrongAddress("Must name a host.")
    if _literal(host) and not (is_outside(host) or is_inside(host)):
        raise WrongAddress("Must be no address of the link.")
    return parts


def is_inside(address: str) -> bool:
    """Whether an IP address may be asked where providers may be inside: not those of the link, however wrapped."""
    literal = _literal(address.partition("%")[0])
    if literal is None or is_outside(address):
        return False
    return not any(one in network for one in _spellings(literal) for network in _OF_THE_LINK)


def _spellings(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, and the IPv4 addresses that it may lead to."""
    if isinstance(address, IPv4Address):
        return [address]
    teredo = address.teredo[1] if address.teredo else None
    last = IPv4Address(int(address) & 0xFFFF_FFFF) if address in _TRANSLATED or address in _COMPATIBLE else None
    wrapped = [address.ipv4_mapped, address.sixtofour, teredo, last]
    return [address, *(one for one in wrapped if one is not None)]


def is_outside(address: str) -> bool:
    """Whether an IP address is one of the public internet, whatever it is wrapped in."""
    literal = _literal(address.partition("%")[0])
    if isinstance(literal, IPv6Address):
        if literal.ipv4_mapped is not None:
            return _is_public(literal.ipv4_mapped)
        if literal in _TRANSLATED:
            return _is_public(IPv4Address(int(literal) & 0xFFFF_FFFF))
        wrapped = literal.sixtofour or (literal.teredo and literal.teredo[1])
        return literal in _GLOBAL_UNICAST and _is_public(literal) and not wrapped
    return literal is not None and _is_public(literal)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _may_be_outside(host: str) -> bool:
    if _literal(host) is not None:
        return is_outside(host)
    # What ends in a number is an address to some resolver: 0x7f.1, 2130706433, 0177.0.0.1.
    return bool(_NAME.fullmatch(host)) and not _ends_in_number(host) and not _is_inside_name(host)


def _is_name(host: str) -> bool:
    return bool(_NAME.fullmatch(host) or _SINGLE_NAME.fullmatch(host)) and not _ends_in_number(host)


def _ends_in_number(host: str) -> bool:
    return bool(_NUMBER.fullmatch(host.rpartition(".")[2]))


def _is_inside_name(host: str) -> bool:
    return any(host.lower() == name or host.lower().endswith(f".{name}") for name in _INSIDE_NAMES)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
