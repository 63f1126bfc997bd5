"""`python -m services.moderation [serve|relay|consume|migrate|openapi]`; no word: serve, relay and consume."""

import sys

from services.moderation.app import SERVICE
from shared.cli import main

if __name__ == "__main__":
    sys.exit(main(SERVICE, sys.argv[1:]))
