"""The secrets of a deployment: made once, kept, readable by their owner alone."""

import base64
import hashlib
import json
from pathlib import Path

from deploy.broker import EVERYONE, definitions, password_hash
from deploy.make_env import GENERATED, parse, write


def env_of(directory: Path) -> dict[str, str]:
    return parse((directory / ".env").read_text())


def test_everything_that_is_missing_is_made(tmp_path: Path) -> None:
    added = write(tmp_path)
    values = env_of(tmp_path)
    assert set(added) == {*GENERATED, "PEERLY_ADMIN_EMAIL"}
    assert len({values[name] for name in GENERATED}) == len(GENERATED)
    assert all(len(values[name]) == 48 for name in GENERATED)


def test_again_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    files = [tmp_path / ".env", tmp_path / "deploy/secrets/definitions.json"]
    before = [file.read_text() for file in files]
    assert write(tmp_path) == []
    assert [file.read_text() for file in files] == before


def test_what_is_there_stays_and_what_is_missing_is_added(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# ours\nPEERLY_PORT=9000\nPEERLY_SECRET='kept'\nPEERLY_ADMIN_EMAIL=me@example.com")
    added = write(tmp_path)
    text = (tmp_path / ".env").read_text()
    assert text.startswith("# ours\nPEERLY_PORT=9000\nPEERLY_SECRET='kept'\nPEERLY_ADMIN_EMAIL=me@example.com\n")
    assert not {"PEERLY_SECRET", "PEERLY_ADMIN_EMAIL"} & set(added)
    assert env_of(tmp_path)["PEERLY_SECRET"] == "kept"


def test_only_the_owner_reads_them(tmp_path: Path) -> None:
    write(tmp_path)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "deploy/secrets").stat().st_mode & 0o777 == 0o700


def test_the_brokers_file_holds_hashes_of_the_passwords_in_env(tmp_path: Path) -> None:
    write(tmp_path)
    text = (tmp_path / "deploy/secrets/definitions.json").read_text()
    values, users = env_of(tmp_path), {user["name"]: user for user in json.loads(text)["users"]}
    assert "guest" not in users
    for who in EVERYONE:
        password = values[f"PEERLY_{who.upper()}_BROKER_PASSWORD"]
        assert password not in text
        stored = base64.b64decode(users[f"peerly_{who}"]["password_hash"])
        assert stored[4:] == hashlib.sha256(stored[:4] + password.encode()).digest()
        assert password_hash(password, stored[:4]).encode() == base64.b64encode(stored)


def test_a_service_may_write_its_own_exchange_and_read_its_own_queues_only() -> None:
    made = definitions("peerly", dict.fromkeys(EVERYONE, "x"), dict.fromkeys(EVERYONE, b"salt"))
    rights = {one["user"]: one for one in made["permissions"]}
    for service in EVERYONE[1:]:
        assert rights[f"peerly_{service}"] == {
            "user": f"peerly_{service}",
            "vhost": "peerly",
            "configure": "^$",
            "write": rf"^(peerly\.{service}|dead\.{service})$",
            "read": rf"^({service}\.(events|urgent)|dead\.{service})$",
        }
