"""`python -m services.recognition [serve|relay|consume|migrate|openapi]`; without a word: all of it."""

import sys

from services.recognition.app import SERVICE
from shared.cli import main

if __name__ == "__main__":
    sys.exit(main(SERVICE, sys.argv[1:]))
