"""No log line and no error holds a password, a token or a link, whatever is done with them."""

from __future__ import annotations

import logging

import pytest

from tests.component.auth.world import PASSWORD, SECRET, World

CANARY = "canary words nobody says"


async def test_logs_hold_no_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.google.knows("google-canary", "grace@acme.test")
    emil = world.id_of("emil")
    link = (await world.post("ada", f"/users/{emil}/password-reset")).data["link"].rsplit("/", 1)[1]
    answers = [
        await world.sign_in("emil"),
        await world.sign_in("emil", CANARY),
        await world.sign_in("nobody", CANARY),
        await world.post(None, "/login", {"username": CANARY * 50, "password": CANARY}),
        await world.post(None, "/login", {"username": "x", "password": [CANARY]}),
        await world.google_sign_in("google-canary"),
        await world.google_sign_in("google-canary-unknown"),
        await world.post(None, f"/password-resets/{link}", {"password": CANARY}),
        await world.post(None, f"/password-resets/{link}", {"password": CANARY}),
        await world.put("mona", "/users/me/password", {"current": PASSWORD, "new": CANARY}),
        await world.put("abe", "/users/me/password", {"current": CANARY, "new": CANARY}),
        await world.post("ada", "/logout"),
    ]
    assert not [answer.status for answer in answers if answer.status >= 500]
    written = "\n".join(str(vars(record)) for record in caplog.records)
    assert "/password-resets/{token}" in written
    fresh = [answer.data["token"] for answer in (answers[0], answers[5], answers[9])]
    for secret in (PASSWORD, CANARY, SECRET, link, "google-canary", *fresh, *world.tokens.values()):
        assert secret not in written
    refusals = b"\n".join(answer.raw for answer in answers if answer.status >= 400).decode()
    assert CANARY not in refusals
