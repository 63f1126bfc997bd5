"""`python -m services`: all of Peerly in one process, and the tools that concern all services."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

WORDS = {
    "run": ("services.embedded:main", "everything in one process (the default)"),
    "migrate": ("services.migrations:main", "roles, schemas, tables, exchanges and queues"),
    "processes": ("services.processes:main", "one process per service behind nginx, on this machine"),
    "demo": ("services.demo:main", "fill a demo organisation"),
    "import": ("services.importing:main", "bring people, core values or recognitions in from a CSV file"),
    "proof": ("services.proof:main", "check the invariants of quota and recognition now"),
    "doctor": ("services.doctor:main", "look at the whole installation and say what to do"),
    "backup": ("services.backups.taking:main", "write everything that the database holds into one file"),
    "restore": ("services.backups.restoring:main", "bring a backup back, all of it or one service"),
    "keys": ("services.operators:keys", "list, rotate or retire the keys that sign tokens"),
    "admin": ("services.operators:admin", "make the first super admin"),
    "dead": ("services.dead:main", "list, show, retry or drop events that could not be handled"),
    "rebuild": ("services.rebuild:main", "rebuild a service's read models from the kept events"),
    "docs": ("services.documents:main", "write or check the generated API and event documents"),
}


def parser() -> argparse.ArgumentParser:
    """The command line; every word has a --help of its own."""
    made = argparse.ArgumentParser(
        prog="python -m services",
        description="Peerly in one process, or a tool that concerns all services.",
        epilog="One service alone: python -m services.auth|recognition|quota|moderation --help",
    )
    words = made.add_subparsers(dest="word", metavar="WORD")
    for word, (_, text) in WORDS.items():
        words.add_parser(word, help=text, add_help=False)
    return made


def main(argv: Sequence[str]) -> int:
    """Runs the word's own command line; returns the exit code."""
    known, rest = parser().parse_known_args(argv)
    module, _, name = WORDS[known.word or "run"][0].partition(":")
    code: int = getattr(importlib.import_module(module), name)(rest)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
