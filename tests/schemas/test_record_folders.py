"""Reading the folders of request records."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import StateError
from schemas.json_records import to_json
from schemas.request import FOLDERS, Folder, RecordFolders, RequestRecord

EARLY, MIDDLE, LATE = (f"2026051{day}T205518.123456Z" for day in (1, 2, 3))


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[RecordFolders]:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    found = RecordFolders(str(tmp_path))
    yield found
    found.close()


def put(folders: RecordFolders, folder: Folder, stamp: str, owner: str = "pablo") -> RequestRecord:
    identifier = f"{stamp}-{owner}-0123456789"
    record = RequestRecord(
        request_id=identifier, username=owner, uid=1, alias="a", file="f", created_at="", status=folder
    )
    Path(folders.path, folder, f"{identifier}.json").write_bytes(to_json(record))
    return record


def test_records_are_listed_from_the_oldest_on(folders: RecordFolders) -> None:
    for stamp in (LATE, EARLY, MIDDLE):
        put(folders, "pending", stamp)
        put(folders, "pending", stamp, "maria")
    assert [found.stamp for found in folders.ids("pending", "pablo")] == [EARLY, MIDDLE, LATE]
    assert [found.owner for found in folders.ids("pending")] == ["maria", "pablo"] * 3
    assert folders.ids("refused") == []


def test_one_members_records_are_not_anothers_whose_name_begins_or_ends_alike(folders: RecordFolders) -> None:
    for owner in ("pablo", "pablo-r", "r-pablo", "pabl", "pablo-0123456789"):
        put(folders, "approved", EARLY, owner)
    assert [found.owner for found in folders.ids("approved", "pablo")] == ["pablo"]
    assert [found.owner for found in folders.ids("approved", "pablo-r")] == ["pablo-r"]


def test_what_is_no_record_by_its_name_is_passed_over(folders: RecordFolders) -> None:
    record = put(folders, "pending", EARLY)
    good = f"{record.request_id}.json"
    for name in (f".{good}.tmp", f".{good}", f"{good}~", "README"):
        Path(folders.path, "pending", name).touch()
    assert [str(found) for found in folders.ids("pending")] == [record.request_id]


def test_a_record_is_found_in_whatever_folder_it_is(folders: RecordFolders) -> None:
    records = [put(folders, folder, EARLY, f"member-{folder}") for folder in FOLDERS]
    for folder, record in zip(FOLDERS, records, strict=True):
        assert folders.find(record.request_id) == (folder, record)
        assert folders.load(folder, record.request_id) == record
    assert folders.find(f"{LATE}-pablo-0123456789") is None


def test_the_newest_comes_first_and_one_that_has_moved_on_is_passed_over(folders: RecordFolders) -> None:
    early, middle, late = (put(folders, "approved", stamp) for stamp in (EARLY, MIDDLE, LATE))
    found = folders.newest_first("approved", "pablo")
    assert next(found) == late
    Path(folders.path, "approved", f"{middle.request_id}.json").unlink()
    assert list(found) == [early]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"status": "lost"}', b"\xff"])
def test_a_record_that_cannot_be_read_is_named(folders: RecordFolders, data: bytes) -> None:
    record = put(folders, "pending", EARLY)
    path = Path(folders.path, "pending", f"{record.request_id}.json")
    path.write_bytes(data)
    with pytest.raises(StateError, match=rf"^The request record {path} cannot be read: [A-Z].*\.$"):
        folders.load("pending", record.request_id)


def test_a_record_that_is_a_link_is_not_followed(folders: RecordFolders) -> None:
    record = put(folders, "approved", EARLY)
    name = f"{record.request_id}.json"
    Path(folders.path, "pending", name).symlink_to(f"../approved/{name}")
    with pytest.raises(StateError, match="is not a plain file"):
        folders.load("pending", record.request_id)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"/pending cannot be opened"):
        RecordFolders(str(tmp_path)).ids("pending")
