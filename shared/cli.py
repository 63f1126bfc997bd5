"""`python -m services.<name>`: one service's command line."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import orjson
import uvloop
from environs import Env, EnvError

from shared import operating, telemetry
from shared.bus import Bus
from shared.bus.rabbitmq import RabbitBus
from shared.migrate import migrate, read
from shared.service import PARTS, Service, document_of, run

USAGE_ERROR = 2
PARTS_HELP = {
    "serve": "answer HTTP requests only",
    "relay": "publish the outbox only",
    "consume": "handle events only",
}


@dataclass(frozen=True, slots=True)
class Command:
    """One more word of a service's command line, with the arguments that follow it."""

    help: str
    run: Callable[[Sequence[str]], int]


def _dead(service: Service, argv: Sequence[str]) -> int:
    options = operating.dead_options(argv, service.name)
    settings = service.read_settings(Env())
    return asyncio.run(operating.work_on_dead(options, service.name, settings.database_url, settings.amqp_url))


def _rebuild(service: Service, argv: Sequence[str]) -> int:
    options = operating.rebuild_options(argv, service.name)
    settings = service.read_settings(Env())
    return asyncio.run(operating.work_on_rebuild(options, service.name, settings.database_url))


def _all_commands(service: Service, own: dict[str, Command] | None) -> dict[str, Command]:
    return {
        "dead": Command("list, show, retry or drop events that could not be handled", partial(_dead, service)),
        "rebuild": Command("rebuild the read models from the kept events", partial(_rebuild, service)),
        **(own or {}),
    }


def parser(service: Service, commands: dict[str, Command]) -> argparse.ArgumentParser:
    """The command line of one service."""
    made = argparse.ArgumentParser(
        prog=f"python -m services.{service.name}",
        description=f"{service.title}. Without a word: serve, relay and consume in one process.",
        epilog="The environment: DATABASE_URL, AMQP_URL, PEERLY_HOST, PEERLY_SERVICE_PORT and other PEERLY_*.",
    )
    words = made.add_subparsers(dest="word", metavar="WORD")
    for word, text in PARTS_HELP.items():
        words.add_parser(word, help=text)
    words.add_parser("migrate", help="provision roles and schema, apply new migrations (PEERLY_ADMIN_DATABASE_URL)")
    words.add_parser("openapi", help="print this service's OpenAPI document as JSON")
    for word, command in commands.items():
        words.add_parser(word, help=command.help, add_help=False)
    return made


def main(service: Service, argv: Sequence[str], commands: dict[str, Command] | None = None) -> int:
    """Runs a service's command line; returns the exit code."""
    known = _all_commands(service, commands)
    try:
        if argv and argv[0] in known:
            return known[argv[0]].run(argv[1:])
        word = parser(service, known).parse_args(argv).word
        return _WORDS[word](service) if word in _WORDS else _run(service, PARTS if word is None else (word,))
    except EnvError as error:
        sys.stderr.write(f"{service.name}: {error}\n")
        return USAGE_ERROR


def _run(service: Service, parts: Sequence[str]) -> int:
    telemetry.log_to_standard_output()
    settings = service.read_settings(Env())
    if settings.amqp_url is None:
        raise EnvError("AMQP_URL is not set; a service alone needs a RabbitMQ, all in one process do not (make run)")

    async def work(amqp_url: str) -> int:
        bus: Bus = RabbitBus(amqp_url)
        return await run(service, settings, bus, parts)

    return uvloop.run(work(settings.amqp_url))


def _migrate(service: Service) -> int:
    telemetry.log_to_standard_output()
    env = Env()
    password = env.str(f"PEERLY_{service.name.upper()}_DATABASE_PASSWORD", "") or None
    migrations = read(service.migrations, service.shared_parts)
    applied = asyncio.run(migrate(env.str("PEERLY_ADMIN_DATABASE_URL"), service.name, migrations, password=password))
    telemetry.log("migrated", service=service.name, applied=applied)
    return os.EX_OK


def _openapi(service: Service) -> int:
    sys.stdout.buffer.write(orjson.dumps(document_of(service), option=orjson.OPT_INDENT_2) + b"\n")
    return os.EX_OK


_WORDS = {"migrate": _migrate, "openapi": _openapi}
