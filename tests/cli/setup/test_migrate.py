"""An existing server is moved over: its history, its waiting requests, and what members have forged among them."""

import json
import os
import stat
import time

import pytest

from schemas.times import iso

from ...attacks.mounts import Lie, fuse
from ...support.layout import put
from ...support.site import Record
from .conftest import Ground
from .old_server import ASKED, ASKED_S, DECIDED, OldQueue, request

WRITABLE_BY_OTHERS = (
    "The file is writable by its group or by others, so somebody else may have put words in your mouth. "
    "Take that right away (chmod go-w) and send it again."
)
OUTDATED = "The file is older than one of yours that was taken in before. If you still want this, ask again."
LINKED = "The file has a second name (a hard link), or was swapped for a link; a plain file of one name was expected."


@pytest.fixture
def queue(ground: Ground) -> OldQueue:
    for name in ("pablo", "ana", "eva", "rui"):
        ground.site.accounts.add(name)
    ground.site.accounts.add("mallory")
    return OldQueue(ground)


def brief(records: list[Record]) -> list[tuple[object, ...]]:
    keys = ("username", "destination", "status", "created_at", "decided_at", "decided_by", "client_id", "reason")
    return sorted((tuple(record[key] for key in keys) for record in records), key=str)


def kept(ground: Ground, folder: str) -> list[str]:
    directory = ground.paths.state / "email-alias-old-queue"
    assert ground.at(directory) == ground.at(directory / folder) == "0700 0:0"
    return sorted(os.listdir(directory / folder))


def test_history_and_waiting_requests_become_records_and_a_second_run_changes_nothing(
    ground: Ground, queue: OldQueue
) -> None:
    site, path = ground.site, queue.path
    queue.decided("approved", "a1.json", "pablo", notes={"kept": ["by", 1]})
    queue.decided("rejected", "r1.json", "ana", reason="It bounces.")
    queue.decided("cancelled", "c1.json", "eva", cancelled_by=None, cancelled_at=None, updated_at=DECIDED)
    queue.decided("approved", "gone.json", "gone")
    queue.waiting("w1.json", "ana", mtime=ASKED_S + 90_000)
    # Directly in the queue too, and far older than the watcher would take.
    queue.waiting("w2.json", "rui", folder=None)
    before = ground.manifest()
    shown = ground.run("--dry-run")
    assert shown.returncode == 0
    assert shown.stdout.splitlines() == [
        f"Would make request records of what is in {path}/approved (2), and remove that directory.",
        f"Would make request records of what is in {path}/rejected (1), and remove that directory.",
        f"Would make request records of what is in {path}/cancelled (1), and remove that directory.",
        f"Would take in the requests of the earlier tool that wait in {path} (2).",
        "Nothing was changed.",
    ]
    assert ground.manifest() == before
    done = ground.run()
    assert (done.returncode, done.stderr) == (0, "")
    old = ground.paths.state / "email-alias-old-queue"
    assert done.stdout.splitlines() == [
        f"Moved {path}/approved over. Request records made: 1; there already: 0; kept in {old}/approved: 1.",
        f"Moved {path}/rejected over. Request records made: 1; there already: 0.",
        f"Moved {path}/cancelled over. Request records made: 1; there already: 0.",
        f"Dealt with the requests that waited in {path}. Taken in: 2; refused: 0.",
    ]
    assert brief(site.records("approved")) == [
        ("pablo", "pablo@example.org", "approved", ASKED, DECIDED, "pmurad", "req-pablo", None)
    ]
    assert brief(site.records("rejected")) == [
        ("ana", "ana@example.org", "rejected", ASKED, DECIDED, "pmurad", "req-ana", "It bounces.")
    ]
    assert brief(site.records("cancelled")) == [
        ("eva", "eva@example.org", "cancelled", ASKED, DECIDED, "eva", "req-eva", None)
    ]
    assert [(record["username"], record["uid"], record["alias"]) for record in site.records("pending")] == [
        ("rui", site.accounts["rui"].uid, "rui@runv.club"),
        ("ana", site.accounts["ana"].uid, "ana@runv.club"),
    ]
    for folder in ("approved", "rejected", "cancelled", "pending"):
        for record in site.records(folder):
            file = ground.paths.requests / folder / f"{record['request_id']}.json"
            assert ground.at(file) == "0640 0:runv-members"
    # The account is gone, so nobody can be told by it; but nothing is lost.
    assert kept(ground, "approved") == ["gone.json"]
    assert os.listdir(path) == []
    ground.twice_changes_nothing()
    # The watcher goes on from there: what was moved is known, and is decided as ever.
    site.start_watcher()
    assert [row["username"] for row in json.loads(site.admin("pending", "--json").stdout)] == ["rui", "ana"]
    assert site.admin("approve", "rui").returncode == 0
    assert site.registry()["rui"]["destination"] == "rui@example.org"


def test_only_what_root_alone_can_have_written_is_history(ground: Ground, queue: OldQueue) -> None:
    site, mallory = ground.site, ground.site.accounts["mallory"]
    secret = ground.site.root / "secret"
    secret.write_text(json.dumps(request("pablo", status="approved")))
    folder = queue.folder("approved")
    put(folder / "own.json", json.dumps(request("pablo", status="approved")).encode(), 0o644, uid=mallory.uid)
    queue.decided("approved", "writable.json", "pablo", mode=0o660, destination="mallory@evil.example")
    (folder / "link.json").symlink_to(secret)
    os.link(queue.decided("approved", "two.json", "pablo"), folder / "names.json")
    os.mkfifo(folder / "fifo.json")
    (folder / "directory.json").mkdir()
    (folder / ".hidden").write_text("x")
    (folder / "control\n\x1b[31m.json").write_text("{}")
    # Root's own, moved here from where it was rejected; and one of a status that says nothing of the kind.
    queue.decided("approved", "moved.json", "pablo", status="rejected")
    queue.decided("approved", "alias.json", "pablo", alias="ana@runv.club")
    queue.decided("approved", "address.json", "pablo", destination="a@b.example\nmallory: x")
    queue.decided("approved", "user.json", "../../pablo")
    names = sorted(os.listdir(folder))
    done = ground.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "Request records made: 0; there already: 0;" in done.stdout
    assert site.records("approved") == []
    assert kept(ground, "approved") == names
    old = ground.paths.state / "email-alias-old-queue" / "approved"
    assert (old / "link.json").is_symlink()
    assert stat.S_ISFIFO((old / "fifo.json").lstat().st_mode)
    assert json.loads(secret.read_text()) == request("pablo", status="approved")
    assert list(queue.path.iterdir()) == []
    ground.twice_changes_nothing()


def test_what_is_kept_overwrites_nothing_that_was_kept_before(ground: Ground, queue: OldQueue) -> None:
    for text in ("first", "second", "third"):
        (queue.folder("approved") / "a1.json").write_text(text)
        assert ground.run().returncode == 0
    old = ground.paths.state / "email-alias-old-queue" / "approved"
    assert sorted(path.read_text() for path in old.iterdir()) == ["first", "second", "third"]
    assert (old / "a1.json").read_text() == "first"


def test_nobody_gets_a_waiting_request_by_writing_it_for_another(ground: Ground, queue: OldQueue) -> None:
    site, folder = ground.site, queue.folder("pending")
    queue.waiting("forged.json", "pablo", owner="mallory")
    queue.waiting("writable.json", "ana", mode=0o664)
    queue.decided("rejected", "r1.json", "eva")
    queue.waiting("before.json", "eva", mtime=ASKED_S + 5)
    queue.waiting("older.json", "rui", mtime=ASKED_S, destination="older@example.org")
    queue.waiting("newer.json", "rui", mtime=ASKED_S + 60, destination="newer@example.org")
    os.link(queue.waiting("link1.json", "ana"), queue.path / "outside")
    (folder / "symlink.json").symlink_to("/etc/shadow")
    os.mkfifo(folder / "fifo.json")
    (folder / "directory").mkdir()
    done = ground.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert [(each["username"], each["destination"]) for each in site.records("pending")] == [
        ("rui", "newer@example.org")
    ]
    refused = {each["file"]: (each["username"], each["reason"]) for each in site.records("refused")}
    alias = "mallory@runv.club"
    assert refused["forged.json"] == (
        "mallory",
        f"The file belongs to mallory but speaks for somebody else; mallory can ask for {alias} alone.",
    )
    assert refused["writable.json"] == ("ana", WRITABLE_BY_OTHERS)
    assert refused["before.json"] == ("eva", OUTDATED)
    assert refused["older.json"] == ("rui", OUTDATED)
    assert refused["link1.json"] == ("ana", LINKED)
    assert not site.pending("pablo")
    assert os.path.exists("/etc/shadow")
    assert kept(ground, "pending") == ["directory"]
    assert sorted(os.listdir(queue.path)) == ["outside"]
    ground.twice_changes_nothing()


def test_what_the_watcher_refuses_is_left_to_it(ground: Ground, queue: OldQueue) -> None:
    # Not as the earlier tool wrote it, so it may be one that somebody moved away long ago and brings back now.
    ground.site.drop("pablo", "bare.json", {"destination": "p@example.org"}, mtime=ASKED_S)
    ground.site.drop("ana", "broken.json", b"{", mtime=ASKED_S)
    ground.twice_changes_nothing()


def test_directories_of_members_are_left_alone(ground: Ground, queue: OldQueue) -> None:
    mallory = ground.site.accounts["mallory"]
    (queue.path / "approved").mkdir()
    queue.decided("approved", "a1.json", "pablo")
    os.chown(queue.path / "approved", mallory.uid, mallory.gid)
    (queue.path / "rejected").symlink_to("/etc")
    found = (
        f"The directory {queue.path}/approved belongs to mallory, so it is not the earlier tool's and was left alone."
    )
    ground.twice_changes_nothing(message=[found])


@pytest.mark.parametrize("folder", ["approved", "pending"])
def test_a_kill_between_record_and_removal_doubles_nothing(ground: Ground, queue: OldQueue, folder: str) -> None:
    site = ground.site
    file = queue.decided(folder, "a1.json", "pablo") if folder == "approved" else queue.waiting("w1.json", "pablo")
    killed = "import os\nreal = os.unlink\n"
    killed += f"os.unlink = lambda name, **k: os._exit(9) if name == {file.name!r} else real(name, **k)"
    assert ground.run_below(before=killed).returncode == 9
    assert file.exists()
    # Before it looked at anything, it shut everybody else out.
    assert ground.at(file.parent) == "0700 0:0"
    (recorded,) = site.records(folder)
    done = ground.run()
    assert (done.returncode, done.stderr) == (0, "")
    found = "Request records made: 0; there already: 1." if folder == "approved" else "Taken in: 0; refused: 0."
    assert found in done.stdout
    assert site.records(folder) == [recorded]
    assert list(queue.path.iterdir()) == []
    assert [site.records(each) for each in ("rejected", "cancelled", "refused")] == [[], [], []]
    ground.twice_changes_nothing()


def test_a_kill_before_a_record_has_its_date_does_not_pass_history_off_as_news(ground: Ground, queue: OldQueue) -> None:
    queue.decided("approved", "a1.json", "pablo")
    killed = "import os\nos.utime = lambda *_, **__: os._exit(9)"
    assert ground.run_below(before=killed).returncode == 9
    assert len(ground.site.records("approved")) == 1
    assert ground.run().returncode == 0
    (record,) = (ground.paths.requests / "approved").iterdir()
    assert iso(record.stat().st_mtime_ns) == DECIDED


def test_beside_a_watcher_that_runs_history_is_moved_and_made_known_to_it(ground: Ground, queue: OldQueue) -> None:
    site = ground.site
    watcher = site.start_watcher()
    hour = 3600 * 1_000_000_000
    now = time.time_ns()
    queue.decided("approved", "a1.json", "pablo", approved_at=iso(now - hour))
    queue.waiting("w1.json", "ana", mtime=ASKED_S + 90_000)
    done = ground.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "Told the watcher to look at the records anew."
    assert [len(site.records(each)) for each in ("approved", "pending")] == [1, 1]
    site.wait_for(lambda: site.status().get("pending") == 1, what="the moved request in the status")
    # A file older than the moved history must not speak any more.
    site.drop("pablo", "again.json", {"destination": "p@example.org"}, mtime=(now - 2 * hour) / 1e9)
    (refused,) = site.wait_for(lambda: site.records("refused"), what="the refusal of the old file")
    assert (refused["username"], refused["reason"]) == ("pablo", OUTDATED)
    assert site.pending("pablo") is None
    assert watcher.running
    site.wait_for(lambda: site.status().get("refused") == 1, what="the last word of the status")
    ground.twice_changes_nothing()


def test_what_a_member_mounts_is_neither_believed_nor_waited_for(ground: Ground, queue: OldQueue) -> None:
    """Over a directory: a file system that says it is root's. Over files, another one, the queue: one that hangs."""
    site, mallory = ground.site, ground.site.accounts["mallory"].uid
    file = queue.decided("rejected", "r1.json", "ana")
    queue.decided("rejected", "r2.json", "eva")
    waiting = queue.waiting("w1.json", "rui")
    approved, cancelled = queue.folder("approved"), queue.folder("cancelled")
    forged = Lie(0, json.dumps(request("pablo", status="approved")).encode(), name="forged.json")
    with (
        fuse(approved, forged, user=mallory, allow_other=True),
        fuse(cancelled, None, user=mallory, allow_other=True),
        fuse(file, None, user=mallory, allow_other=True),
        fuse(waiting, None, user=mallory, allow_other=True),
    ):
        done = ground.run()
        assert done.returncode == 1
        path = queue.path
        covered = "Something is mounted over the directory {path}, so it was not touched. Unmount it."
        assert done.stderr.splitlines() == [
            f"Warning: {covered.format(path=approved)}",
            f"Warning: {covered.format(path=cancelled)}",
            f"Could not make request records of what is in {path}/rejected (2), and remove that directory: "
            f"{path}/rejected still holds 1 of them, one because something is mounted over {file}; unmount it.",
            f"Could not take in the requests of the earlier tool that wait in {path} (1): {path} still holds 1 of "
            f"them, one because something is mounted over {waiting}; unmount it.",
        ]
        assert [len(site.records(each)) for each in ("approved", "rejected", "pending", "refused")] == [0, 1, 0, 0]
    with fuse(queue.path, None, user=mallory, allow_other=True):
        done = ground.run()
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            f"Warning: {path} cannot be looked at: a file system of type fuse.attack is mounted over it.",
            f"Warning: A file system of type fuse.attack is mounted over the queue {path}, so nothing in it was "
            "touched. Unmount it.",
        ]
    assert ground.run().returncode == 0
    assert [len(site.records(each)) for each in ("approved", "rejected", "pending", "refused")] == [0, 2, 1, 0]
    ground.twice_changes_nothing()
