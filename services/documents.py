"""The documents of the whole: `/`, the OpenAPI document of all services, and a page to read it offline."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import yaml

from services.catalogue import SERVICES, SUBSCRIPTIONS
from services.reference import collection, page
from shared import openapi
from shared.health import HEALTH_ROUTES
from shared.http import Route
from shared.http.documents import document_route
from shared.service import document_of
from shared.version import VERSION

TITLE = "Peerly"
DESCRIPTION = (
    "Open, self-hosted peer recognition. Every path is also served below `/v1`. Success is `{data}`, failure `{error}`;"
    " an operation's scope is the permission that its token must carry."
)
INDEX: dict[str, Any] = {
    "data": {
        "name": TITLE,
        "version": VERSION,
        "links": {
            "openapi": "/v1/spec.yaml",
            "openapi_json": "/openapi.json",
            "postman": "/postman.json",
            "docs": "/docs",
            "ready": "/readyz",
        },
    }
}
API_FOLDER = Path(__file__).parent.parent / "docs" / "api"
EVENTS_FOLDER = Path(__file__).parent.parent / "docs" / "events"


def merged() -> dict[str, Any]:
    """One OpenAPI document for everything behind the gateway."""
    own = openapi.document(TITLE, VERSION, [*HEALTH_ROUTES, *_routes({}, {}, b"", b"")])
    return openapi.merge(TITLE, VERSION, [own, *(document_of(one) for one in SERVICES)], description=DESCRIPTION)


def _yaml(document: dict[str, Any]) -> bytes:
    return yaml.dump(document, sort_keys=False, allow_unicode=True, width=120, Dumper=yaml.SafeDumper).encode()


def files() -> dict[Path, bytes]:
    """Every generated document by its place in the repository."""
    from shared import asyncapi

    document = merged()
    return {
        API_FOLDER / "index.json": orjson.dumps(INDEX) + b"\n",
        API_FOLDER / "openapi.json": orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n",
        API_FOLDER / "postman.json": orjson.dumps(collection(document), option=orjson.OPT_INDENT_2) + b"\n",
        API_FOLDER / "spec.yaml": _yaml(document),
        API_FOLDER / "docs.html": page(document).encode(),
        EVENTS_FOLDER / "asyncapi.yaml": _yaml(asyncapi.document(SUBSCRIPTIONS)),
    }


def routes() -> list[Route]:
    """The documents as routes, for the process that is its own gateway."""
    document = merged()
    return _routes(document, collection(document), _yaml(document), page(document).encode())


def _routes(document: dict[str, Any], as_collection: dict[str, Any], as_yaml: bytes, as_page: bytes) -> list[Route]:
    return [
        document_route("/", INDEX, "Name, version and links", name="read_index"),
        document_route("/openapi.json", document, "This document as JSON", name="read_openapi_json"),
        document_route("/postman.json", as_collection, "The operations as a Postman collection", name="read_postman"),
        document_route(
            "/spec.yaml", as_yaml, "This document as YAML", name="read_openapi_yaml", media_type="application/yaml"
        ),
        document_route("/docs", as_page, "This document as a page", name="read_docs", media_type="text/html"),
    ]


def main(argv: Sequence[str]) -> int:
    """`python -m services docs --write|--check`."""
    parser = argparse.ArgumentParser(prog="python -m services docs", description="The generated documents in docs/.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="write them")
    what.add_argument("--check", action="store_true", help="fail when a file is not what would be written")
    return _write() if parser.parse_args(argv).write else _check()


def _write() -> int:
    for path, content in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return os.EX_OK


def _check() -> int:
    stale = [path for path, content in files().items() if not path.exists() or path.read_bytes() != content]
    for path in stale:
        sys.stderr.write(f"{path.name} is out of date; run `make docs`\n")
    return 1 if stale else os.EX_OK
