"""Local passwords: links from an admin, changes by their owner, what is too easy."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from datetime import timedelta
from urllib.parse import urlsplit

from tests.component.auth.world import PASSWORD, World

NEW = "another unrelated walrus"
WEAK = {
    "fourteen chars": "x4!kQ9_pL2@vN7",
    "too long": "ab" * 129,
    "a common one repeated": "passwordpassword",
    "a common one with another": "password123456789",
    "in capitals": "PASSWORDPASSWORD",
    "spaced out": "p a s s w o r d p a s s w o r d",
    "digits in a row": "123456789012345",
    "one character": "a" * 20,
    "three characters": "abcabcabcabcabcabc",
    "the alphabet": "abcdefghijklmnopqrstuvwxyz",
    "the keyboard": "qwertyuiopasdfghjkl",
    "a common long one": "1q2w3e4r5t6y7u8i9o0p",
}
STRONG = [
    "x4!kQ9_pL2@vN7z",
    "unbequem, Käse & Mühle",
    "密码密码是很长的密碼碼一二三四",
    "\U0001f600 smileys \U0001f680 are fine",
    "z" * 128 + "yx" * 64,
]


async def link(world: World, name: str = "emil", by: str = "ada") -> str:
    reply = await world.post(by, f"/users/{world.id_of(name)}/password-reset")
    assert reply.status == 201
    assert set(reply.data) == {"link", "expires_at"}
    return str(reply.data["link"])


def token_of(link: str) -> str:
    return link.rsplit("/", 1)[1]


async def use(world: World, token: str, password: str = NEW) -> int:
    return (await world.post(None, f"/password-resets/{token}", {"password": password})).status


async def test_a_link_sets_a_password_once(world: World) -> None:
    made = await link(world)
    assert made.startswith("https://peerly.test/password-resets/")
    assert await use(world, token_of(made)) == 200
    assert (await world.sign_in("emil", NEW)).status == 200
    assert (await world.sign_in("emil", PASSWORD)).status == 401
    again = await world.post(None, f"/password-resets/{token_of(made)}", {"password": NEW})
    assert (again.status, set(again.error["fields"])) == (400, {"token"})


async def test_a_link_lasts_a_day(world: World) -> None:
    made = token_of(await link(world))
    world.clock.ahead = timedelta(hours=24, minutes=1)
    assert await use(world, made) == 400
    world.clock.ahead = timedelta(hours=23)
    assert await use(world, made) == 200


async def test_of_many_uses_at_once_one_counts(world: World) -> None:
    made = token_of(await link(world))
    statuses = await asyncio.gather(*(use(world, made, f"{NEW} {number}") for number in range(32)))
    assert Counter(statuses) == {200: 1, 400: 31}
    assert (await world.sign_in("emil", f"{NEW} {statuses.index(200)}")).status == 200


async def test_a_new_link_voids_the_one_before(world: World) -> None:
    first, second = token_of(await link(world)), token_of(await link(world))
    assert await use(world, first) == 400
    assert await use(world, second) == 200


async def test_the_database_holds_nothing_that_opens_a_link(world: World) -> None:
    made = token_of(await link(world))
    [row] = await world.owner.fetch("SELECT * FROM password_resets")
    assert row["token_hash"] == hashlib.sha256(made.encode()).digest()
    for table in ("password_resets", "outbox", "idempotency_keys"):
        assert made not in str([tuple(row) for row in await world.owner.fetch(f"SELECT * FROM {table}")])


async def test_a_set_password_ends_all_tokens(world: World) -> None:
    assert await use(world, token_of(await link(world))) == 200
    assert (await world.get("emil", "/users/me")).status == 401


async def test_links_of_who_left_open_nothing(world: World) -> None:
    made = token_of(await link(world))
    await world.delete("ada", f"/users/{world.id_of('emil')}")
    assert await use(world, made) == 400
    assert (await world.post("ada", f"/users/{world.id_of('emil')}/password-reset")).status == 409


async def test_links_end_with_the_tokens_of_who_gave_them(world: World) -> None:
    made = token_of(await link(world))
    assert (await world.post("ada", "/logout")).status < 300
    assert (await world.get(None, f"/password-resets/{made}")).status == 200
    change = {"current": PASSWORD, "new": NEW}
    assert (await world.put(await signed_in(world, "ada"), "/users/me/password", change)).status == 200
    assert await use(world, made) == 400


async def test_tm7_a_link_is_in_the_persons_history(world: World) -> None:
    await link(world)
    [*_, last] = reversed((await world.get("ada", f"/users/{world.id_of('emil')}/historylog")).data)
    assert (last["actor"], last["action"]) == (world.id_of("ada"), "link_created")


async def test_tm7_a_password_is_in_the_persons_history_without_its_value(world: World) -> None:
    assert await use(world, token_of(await link(world))) == 200
    change = {"current": NEW, "new": "a third unrelated walrus"}
    session = (await world.post(None, "/login", {"username": world.email_of("emil"), "password": NEW})).data["token"]
    assert (await world.put(session, "/users/me/password", change)).status == 200
    log = await world.get("ada", f"/users/{world.id_of('emil')}/historylog")
    assert [(one["actor"], one["action"], one["changes"]) for one in log.data[:3]] == [
        (world.id_of("emil"), "password_set", []),
        (world.id_of("emil"), "password_set", []),
        (world.id_of("ada"), "link_created", []),
    ]
    assert b"walrus" not in log.raw


async def signed_in(world: World, name: str) -> str:
    token: str = (await world.sign_in(name)).data["token"]
    return token


async def test_links_nobody_gave_open_nothing(world: World) -> None:
    for token in ("x", "0" * 43, "%00", "..%2f", "' OR 1=1 --"):
        reply = await world.post(None, f"/password-resets/{token}", {"password": NEW})
        assert (reply.status, set(reply.error["fields"])) == (400, {"token"}), token


async def test_only_admins_make_links_and_only_for_their_people(world: World) -> None:
    for who in ("emil", "mona"):
        assert (await world.post(who, f"/users/{world.id_of('emil')}/password-reset")).status == 403
    foreign = await world.post("ada", f"/users/{world.id_of('gina')}/password-reset")
    unknown = await world.post("ada", "/users/999999/password-reset")
    assert (foreign.status, foreign.raw) == (400, unknown.raw)
    assert await use(world, token_of(await link(world, "gina", by="root"))) == 200


async def test_an_admin_gives_no_link_to_a_super_admin(world: World) -> None:
    assert (await world.post("ada", f"/users/{world.id_of('root')}/password-reset")).status == 400


async def test_weak_passwords_are_refused_and_leave_the_link_open(world: World) -> None:
    made = token_of(await link(world))
    for why, password in WEAK.items():
        reply = await world.post(None, f"/password-resets/{made}", {"password": password})
        assert (reply.status, set(reply.error["fields"])) == (400, {"password"}), why
    assert await use(world, made) == 200


async def test_any_characters_make_a_password(world: World) -> None:
    for password in STRONG:
        assert await use(world, token_of(await link(world)), password) == 200, password
        assert (await world.sign_in("emil", password)).status == 200, password
        assert (await world.sign_in("emil", password[:-1])).status == 401


async def test_accents_may_be_typed_in_either_way(world: World) -> None:
    assert await use(world, token_of(await link(world)), "caf\u00e9 au lait, please") == 200
    assert (await world.sign_in("emil", "cafe\u0301 au lait, please")).status == 200


async def test_bytes_past_72_count(world: World) -> None:
    long = "unrelated walrus teapot " * 4
    assert await use(world, token_of(await link(world)), long + "a") == 200
    assert (await world.sign_in("emil", long + "b")).status == 401


async def test_i_change_my_password_and_go_on_with_a_fresh_token(world: World) -> None:
    other = (await world.sign_in("emil")).data["token"]
    reply = await world.put("emil", "/users/me/password", {"current": PASSWORD, "new": NEW})
    assert (reply.status, reply.data["expires_in"]) == (200, 900)
    assert (await world.get(reply.data["token"], "/users/me")).data["id"] == world.id_of("emil")
    for old in ("emil", other):
        assert (await world.get(old, "/users/me")).status == 401
    assert (await world.sign_in("emil", PASSWORD)).status == 401
    assert (await world.sign_in("emil", NEW)).status == 200


async def test_a_wrong_present_password_changes_nothing(world: World) -> None:
    reply = await world.put("emil", "/users/me/password", {"current": "a wrong password, I guess", "new": NEW})
    assert (reply.status, set(reply.error["fields"])) == (400, {"current"})
    assert (await world.get("emil", "/users/me")).status == 200
    for _ in range(9):
        await world.put("emil", "/users/me/password", {"current": "a wrong password, I guess", "new": NEW})
    assert (await world.put("emil", "/users/me/password", {"current": PASSWORD, "new": NEW})).status == 429


async def test_a_weak_new_password_is_refused_by_name(world: World) -> None:
    reply = await world.put("emil", "/users/me/password", {"current": PASSWORD, "new": "passwordpassword"})
    assert (reply.status, set(reply.error["fields"])) == (400, {"new"})
    assert set((await world.put("emil", "/users/me/password", {})).error["fields"]) == {"current", "new"}


async def test_who_has_no_password_yet_gets_one_by_a_link(world: World) -> None:
    world.google.knows("t", "grace@acme.test")
    token = (await world.google_sign_in("t")).data["token"]
    assert (await world.put(token, "/users/me/password", {"current": NEW, "new": NEW})).status == 400
    me = (await world.get(token, "/users/me")).data["id"]
    made = (await world.post("ada", f"/users/{me}/password-reset")).data["link"]
    assert await use(world, token_of(made)) == 200
    assert (await world.sign_in("grace@acme.test", NEW)).status == 200


async def test_a_super_admin_changes_theirs(world: World) -> None:
    assert (await world.put("root", "/users/me/password", {"current": PASSWORD, "new": NEW})).status == 200
    assert (await world.sign_in("root", NEW)).status == 200


async def page_of(world: World, link: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
    """What a browser is shown: status, text, and where its form leads."""
    path, method = urlsplit(link).path, "GET" if form is None else "POST"
    async with world.session.request(method, world.address + path, data=form) as answer:
        text = await answer.text()
        assert answer.content_type == "text/html"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    found = re.search(r'action="([^"]+)"', text)
    return answer.status, text, found[1] if found else ""


async def test_whoever_opens_the_link_in_a_browser_sets_a_password_there(world: World) -> None:
    made = await link(world)
    status, text, action = await page_of(world, made)
    assert (status, "Choose a password" in text, action) == (200, True, f"/password-resets/{token_of(made)}/form")
    for form, wrong in (
        ({"password": PASSWORD, "again": "another one"}, "The two are not the same."),
        ({"password": "short", "again": "short"}, "Must have 15 to 256 characters."),
    ):
        status, text, again = await page_of(world, action, form)
        assert (status, wrong in text, again) == (400, True, action)
    chosen = "green unrelated walrus"
    status, text, _ = await page_of(world, action, {"password": chosen, "again": chosen})
    assert (status, "Your password is set" in text) == (200, True)
    assert (await world.sign_in("emil", chosen)).status == 200
    for address, sent in ((made, None), (action, {"password": chosen, "again": chosen})):
        status, text, _ = await page_of(world, address, sent)
        assert (status, "ask an admin for a new one" in text) == (400, True)


async def test_the_page_shows_what_is_typed_as_text(world: World) -> None:
    status, text, _ = await page_of(world, "/password-resets/%22%3E%3Cscript%3E")
    assert (status, "<script>" in text) == (400, False)
