"""`python -m services.auth`: this service alone."""

import sys

from services.auth.app import SERVICE
from services.auth.command_line import COMMANDS
from shared.cli import main

if __name__ == "__main__":
    sys.exit(main(SERVICE, sys.argv[1:], COMMANDS))
