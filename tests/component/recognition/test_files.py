"""TM-10: containers, entries, contents; who learns of them."""

from __future__ import annotations

import pytest

from shared.contracts.files import FileAttached, FileRemoved
from shared.contracts.recognition import CoreValueChanged
from tests.component.recognition.filing import ATTACHMENTS, PDF, PICTURE, THUMBNAIL, content, picture, upload, uploaded
from tests.component.recognition.world import ADMIN, ANNA, BEN, CLEO, Api, World

BASE = "http://localhost:8080/filecontent"


@pytest.fixture
async def given(api: Api) -> int:
    return await api.given(ANNA, BEN, await api.new_value())


async def test_tm10_a_file_is_put_into_a_container_read_described_and_removed(api: Api, given: int) -> None:
    made = await uploaded(api, ANNA, "recognitions", given, PDF, name="minutes.pdf")
    assert made.items() >= {
        "kind": "recognitions", "id": given, "attribute": ATTACHMENTS, "name": "minutes.pdf", "size": len(PDF),
        "media_type": "application/pdf", "width": None, "height": None, "uploaded_by": ANNA.user_id,
        "url": f"{BASE}/{made['file_id']}",
    }.items()  # fmt: skip
    shown = (await api.get(CLEO, f"/files/{made['files_id']}")).data
    assert shown == {
        "files_id": made["files_id"], "kind": "recognitions", "id": given, "attribute": ATTACHMENTS, "files": [made]
    }  # fmt: skip
    assert (await api.get(CLEO, f"/filecontent/{made['file_id']}/description")).data == made
    read = await content(api, CLEO, made["file_id"])
    assert (read.status, read.raw, read.headers["Content-Type"]) == (200, PDF, "application/pdf")
    assert (await api.ask(ANNA, "DELETE", f"/filecontent/{made['file_id']}")).status == 204
    assert (await api.get(CLEO, f"/files/{made['files_id']}")).data["files"] == []
    for path in ("", "/description"):
        assert (await api.get(CLEO, f"/filecontent/{made['file_id']}{path}")).code == (404, "not_found")
    assert (await api.ask(ANNA, "DELETE", f"/filecontent/{made['file_id']}")).status == 404


async def test_tm10_a_recognition_refers_to_its_attachments(api: Api, given: int) -> None:
    assert (await api.get(CLEO, f"/recognitions/{given}")).data["attachments"] is None
    first, second = [await uploaded(api, ANNA, "recognitions", given, picture()) for _ in range(2)]
    assert first["files_id"] == second["files_id"]
    for reply in (await api.get(CLEO, f"/recognitions/{given}"), await api.get(CLEO, "/recognitions")):
        [row] = reply.data if isinstance(reply.data, list) else [reply.data]
        assert row["attachments"] == first["files_id"]
    files = (await api.get(CLEO, f"/files/{first['files_id']}")).data["files"]
    assert [one["file_id"] for one in files] == [first["file_id"], second["file_id"]]


async def test_tm10_a_recognition_has_ten_attachments_at_most(api: Api, given: int) -> None:
    made = [await uploaded(api, ANNA, "recognitions", given, PDF) for _ in range(10)]
    assert (await upload(api, ANNA, "recognitions", given, PDF)).code == (409, "conflict")
    assert (await api.ask(ANNA, "DELETE", f"/filecontent/{made[3]['file_id']}")).status == 204
    assert (await upload(api, ANNA, "recognitions", given, PDF)).status == 201


async def test_tm10_a_picture_replaces_the_one_before(api: Api, world: World) -> None:
    first, second = [await uploaded(api, ANNA, "users", ANNA.user_id, picture()) for _ in range(2)]
    files = (await api.get(BEN, f"/files/{first['files_id']}")).data["files"]
    assert files == [second]
    assert (await content(api, BEN, first["file_id"])).status == 404
    told = await world.told(FileAttached)
    assert [(one.file_id, one.replaced, one.attribute) for one in told] == [
        (first["file_id"], None, PICTURE), (second["file_id"], first["file_id"], PICTURE)
    ]  # fmt: skip
    assert told[0].version < told[1].version


async def test_tm10_events_tell_what_became_of_a_container(api: Api, world: World, given: int) -> None:
    made = await uploaded(api, ANNA, "recognitions", given, PDF, name="a.pdf")
    await api.ask(ADMIN, "DELETE", f"/filecontent/{made['file_id']}")
    [attached], [removed] = await world.told(FileAttached), await world.told(FileRemoved)
    assert (attached.kind, attached.resource_id, attached.name, attached.size) == (
        "recognitions", given, "a.pdf", len(PDF)
    )  # fmt: skip
    assert (attached.attached_by, removed.removed_by) == (ANNA.user_id, ADMIN.user_id)
    assert attached.url == removed.url == made["url"]
    assert attached.version < removed.version


async def test_tm10_a_thumbnail_is_the_core_values(api: Api, world: World) -> None:
    value = await api.new_value()
    made = await uploaded(api, ADMIN, "core_values", value, picture())
    assert (await api.get(ANNA, f"/core_values/{value}")).data[THUMBNAIL] == made["url"]
    assert (await world.told(CoreValueChanged))[-1].thumbnail == made["url"]
    assert (await api.ask(ADMIN, "DELETE", f"/filecontent/{made['file_id']}")).status == 204
    assert (await api.get(ANNA, f"/core_values/{value}")).data[THUMBNAIL] is None
    [entry, *_] = (await api.get(ADMIN, f"/core_values/{value}/historylog")).data
    assert entry["changes"] == [{"field": THUMBNAIL, "old": made["url"], "new": None}]


async def test_tm10_a_thumbnail_that_was_set_by_hand_stays(api: Api) -> None:
    value = await api.new_value()
    made = await uploaded(api, ADMIN, "core_values", value, picture())
    await api.ask(ADMIN, "PATCH", f"/core_values/{value}", {THUMBNAIL: "https://elsewhere.example/a.png"})
    assert (await api.ask(ADMIN, "DELETE", f"/filecontent/{made['file_id']}")).status == 204
    assert (await api.get(ANNA, f"/core_values/{value}")).data[THUMBNAIL] == "https://elsewhere.example/a.png"


async def test_tm10_attachments_are_in_the_history_of_the_recognition(api: Api, given: int) -> None:
    made = await uploaded(api, ANNA, "recognitions", given, PDF, name="a.pdf")
    await api.ask(ADMIN, "DELETE", f"/filecontent/{made['file_id']}")
    removed, created, *_ = (await api.get(ADMIN, f"/recognitions/{given}/historylog")).data
    assert (created["action"], created["actor"]) == ("file_created", ANNA.user_id)
    assert {"field": "name", "old": None, "new": "a.pdf"} in created["changes"]
    assert (removed["action"], removed["actor"]) == ("file_removed", ADMIN.user_id)


async def test_tm10_files_go_with_what_they_belong_to(api: Api, world: World, given: int) -> None:
    attached = await uploaded(api, ANNA, "recognitions", given, PDF)
    value = await api.new_value("Courage")
    thumbnail = await uploaded(api, ADMIN, "core_values", value, picture())
    assert (await api.ask(ANNA, "DELETE", f"/recognitions/{given}")).status == 204
    assert (await api.ask(ADMIN, "DELETE", f"/core_values/{value}")).status == 204
    for gone in (attached, thumbnail):
        for path in (f"/files/{gone['files_id']}", f"/filecontent/{gone['file_id']}"):
            assert (await api.get(ADMIN, path)).code == (404, "not_found")
    assert await world.value("SELECT count(*) FROM file_contents WHERE unused_since IS NULL") == 0


async def test_tm10_the_same_request_again_adds_nothing(api: Api, given: int) -> None:
    first, again = [
        await upload(api, ANNA, "recognitions", given, PDF, name="a.pdf", Idempotency_Key="one") for _ in range(2)
    ]
    assert (first.raw, first.status) == (again.raw, again.status)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await upload(api, ANNA, "recognitions", given, PDF + b"y", name="a.pdf", Idempotency_Key="one")
    assert other.code == (422, "idempotency_key_reused")
    assert len((await api.get(ANNA, f"/files/{first.data['files_id']}")).data["files"]) == 1


async def test_tm10_if_match_takes_the_entity_tag_of_a_content(api: Api, given: int) -> None:
    made = await uploaded(api, ANNA, "recognitions", given, PDF)
    tag = (await content(api, ANNA, made["file_id"])).headers["ETag"]
    wrong = await api.ask(ANNA, "DELETE", f"/filecontent/{made['file_id']}", If_Match='"7.abc"')
    assert wrong.code == (412, "version_mismatch")
    assert (await api.ask(ANNA, "DELETE", f"/filecontent/{made['file_id']}", If_Match=tag)).status == 204
