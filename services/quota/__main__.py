"""`python -m services.quota`: this service alone."""

import sys

from services.quota.app import SERVICE
from shared.cli import main

if __name__ == "__main__":
    sys.exit(main(SERVICE, sys.argv[1:]))
