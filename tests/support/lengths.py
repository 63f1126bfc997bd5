"""How much the tests try that could try for ever: less in CI, all of it with `PEERLY_TEST_LONG=1`."""

from __future__ import annotations

import os

LONG = os.environ.get("PEERLY_TEST_LONG") == "1"
