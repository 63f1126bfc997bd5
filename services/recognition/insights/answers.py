"""How insights are told: `{"status": true, "data": ...}`, or `{"status": false, "error": "..."}`."""

from __future__ import annotations

from typing import Any

import orjson

from services.recognition.insights.schemas import FAILURE
from shared.errors import Refusal
from shared.http import Answer, Failures, Raw


def told(data: Any) -> Answer:
    """200 with what was asked for."""
    known = data.bytes if isinstance(data, Raw) else orjson.dumps(data)
    return Answer(200, Raw(b'{"status":true,"data":' + known + b"}"), enveloped=False)


def refused(refusal: Refusal) -> Answer:
    """What is wrong, in a sentence."""
    wrong = "; ".join(f"{name}: {why}" for name, why in refusal.fields.items())
    text = f"{refusal.message} ({wrong})" if wrong else refusal.message
    return Answer(refusal.status, {"status": False, "error": text}, headers=refusal.headers, enveloped=False)


FAILURES = Failures(refused, schema=FAILURE)
