"""Writes the gateway's nginx configuration into a directory: `python -m gateway.render DIRECTORY`.

Standard library only: the same module serves a container that runs once before nginx and the process supervisor.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

from gateway.settings import GatewaySettings, InvalidSetting, from_environment

SOURCES = Path(__file__).parent
DOCUMENTS = SOURCES.parent / "docs" / "api"
TEMPLATES = ("nginx.conf", "settings.conf")
PLAIN_FILES = ("routes.conf", "headers.conf", "errors.conf", "proxy.conf")
PAGES = ("index.json", "openapi.json", "postman.json", "spec.yaml", "docs.html")
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def render(settings: GatewaySettings) -> Path:
    """Writes all files and makes the directories that nginx needs; gives the path of `nginx.conf`."""
    pages = settings.config / "static"
    for directory in (settings.config, pages, settings.runtime):
        directory.mkdir(parents=True, exist_ok=True)
    values = _values(settings)
    for name in TEMPLATES:
        template = (SOURCES / f"{name}.template").read_text()
        (settings.config / name).write_text(PLACEHOLDER.sub(lambda found: values[found[1]], template))
    for name in PLAIN_FILES:
        shutil.copyfile(SOURCES / name, settings.config / name)
    for name in PAGES:
        if (settings.documents / name).exists():
            shutil.copyfile(settings.documents / name, pages / name)
    return settings.config / "nginx.conf"


def command(settings: GatewaySettings) -> list[str]:
    """The command that runs the rendered gateway in the foreground; raises `InvalidSetting` without nginx."""
    return [nginx(), "-p", str(settings.config), "-c", str(settings.config / "nginx.conf"), "-e", "stderr"]


def nginx() -> str:
    """The program, also where only root's path has it; raises `InvalidSetting` without it."""
    binary = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if binary is None:
        raise InvalidSetting("nginx is not installed; on Debian and Ubuntu: apt-get install nginx")
    return binary


def _values(settings: GatewaySettings) -> dict[str, str]:
    limits = {name: str(value) for name, value in vars(settings.limits).items()}
    return limits | {
        "user": _user(),
        "workers": settings.workers,
        "listen": settings.listen,
        "runtime": str(settings.runtime),
        "static": str(settings.config / "static"),
        "access_log": settings.access_log,
        "upstreams": "\n    ".join(
            _upstream(name, address, settings.limits.at_once) for name, address in settings.services.items()
        ),
        "trusted_proxies": "\n        ".join(_trust(settings.trusted_proxies)),
        "rate_limits": "on" if settings.rate_limits else "off",
        "cors_origins": "\n    ".join(_allow_origin(origin) for origin in settings.cors_origins),
        "cors_listed": "yes" if settings.cors_origins else "no",
        "public_scheme": settings.public_scheme,
        "docs_policy": _docs_policy(settings.documents / "docs.html"),
        "strict_transport_security": "max-age=31536000; includeSubDomains" if settings.public_scheme == "https" else "",
    }


def _docs_policy(page: Path) -> str:
    """Names the page's own styles and scripts by their hashes."""
    text = page.read_text() if page.exists() else ""
    allowed = [f"{kind}-src {' '.join(hashes)}; " for kind in ("style", "script") if (hashes := _hashes(text, kind))]
    return f"default-src 'none'; {''.join(allowed)}base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _hashes(page: str, kind: str) -> list[str]:
    found = re.findall(rf"<{kind}[^>]*>(.*?)</{kind}>", page, re.DOTALL)
    digests = (hashlib.sha256(text.encode()).digest() for text in found)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def _user() -> str:
    """Workers stay the user that started them: the directories may be closed to all others."""
    return "user root;" if os.geteuid() == 0 else ""


def _upstream(name: str, address: str, at_once: int) -> str:
    """A single server stands twice, so that a second try has somewhere to go; none is ever counted out.

    What would be more than one takes at once is turned away here, where that costs least.
    """
    instances = address.split(",")
    places = instances * 2 if len(instances) == 1 else instances
    most = at_once * len(instances) // len(places)
    servers = " ".join(f"server {place} max_fails=0 max_conns={most};" for place in places)
    kept = "keepalive 64; keepalive_timeout 30s; keepalive_requests 100000;"
    return f"upstream {name} {{ zone {name} 64k; {servers} {kept} }}"


def _trust(proxies: tuple[str, ...]) -> list[str]:
    if not proxies:
        return []
    trusted = [f"set_real_ip_from {proxy};" for proxy in proxies]
    return [*trusted, "real_ip_header X-Forwarded-For;", "real_ip_recursive on;"]


def _allow_origin(origin: str) -> str:
    return '"~." "*";' if origin == "*" else f'"~^{re.escape(origin)}$" $http_origin;'


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway.render", description=__doc__)
    parser.add_argument("directory", type=Path, help="where nginx.conf and its parts are written")
    parser.add_argument("--runtime", type=Path, default=Path("/tmp"), help="where nginx keeps its pid and bodies")  # noqa: S108
    parser.add_argument("--documents", type=Path, default=DOCUMENTS, help="the generated API documents")
    asked = parser.parse_args(arguments)
    try:
        render(from_environment(os.environ, asked.directory.absolute(), asked.runtime, asked.documents))
    except InvalidSetting as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
