"""When orphans are switched off, and what is read for it: with account files of the test's own, and a clock."""

import fcntl
import os
from pathlib import Path

import pytest

from tests.support.layout import put
from tests.watcher.server import Server, entry
from watcher import orphans
from watcher.accounts import LONGEST_SECONDS, QUIET_SECONDS, AccountFiles, LocalAccounts, Marks
from watcher.orphan_search import OrphanMemory
from watcher.orphans import OrphanResult, OrphanStep

UID = 30001
GID = os.getgid()


class Files(AccountFiles):
    """Account files that count how often they are read."""

    def __init__(self, root: Path) -> None:
        super().__init__({"NSS_WRAPPER_PASSWD": str(root / "passwd"), "NSS_WRAPPER_GROUP": str(root / "group")})
        self.readings = 0

    def write(self, *names: str) -> None:
        """Give an account to each of *names*, and to root."""
        lines = ["root:x:0:0::/:/bin/sh", *(f"{name}:x:{UID}:{GID}::/:/bin/sh" for name in names)]
        put(Path(self.passwd), "".join(f"{line}\n" for line in lines).encode(), 0o644)

    def read(self) -> LocalAccounts:
        self.readings += 1
        return super().read()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    put(tmp_path / "group", f"runv-members:x:{GID}:\n".encode(), 0o644)
    found = Files(tmp_path)
    found.write("ana", "pablo")
    return found


@pytest.fixture
def step(server: Server, files: Files, monkeypatch: pytest.MonkeyPatch) -> OrphanStep:
    monkeypatch.setattr(server.people, "is_member", lambda name, gid: gid == GID)
    server.people.by_name.clear()
    server.write_registry(ana=entry("ana", uid=UID), pablo=entry("pablo", uid=UID))
    return stepping(server, files, OrphanMemory())


def stepping(server: Server, files: Files, memory: OrphanMemory) -> OrphanStep:
    return OrphanStep(server.settings, server.registry, server.people, server.audit, files, memory, server.clock)


def take(server: Server, step: OrphanStep, *, forced: bool = False) -> OrphanResult:
    return step.take(server.registry.current(), forced=forced)


def settled(server: Server, step: OrphanStep) -> OrphanResult:
    """Take the step until the files have been left alone for long enough."""
    take(server, step)
    server.clock.pass_by(QUIET_SECONDS)
    return take(server, step)


def outstanding(step: OrphanStep) -> tuple[float | None, bool]:
    """When it is due, and whether a forced sync has to wait for it."""
    return step.due, step.waits


def test_files_that_are_being_edited_are_waited_for(server: Server, step: OrphanStep, files: Files) -> None:
    settled(server, step)
    assert (step.due, step.waits) == (None, False)
    for _ in range(3):
        files.write("ana")
        assert take(server, step).count == 0
        assert (step.due, step.waits) == (server.clock.seconds + 1, True)
        server.clock.pass_by(0.9)
        assert take(server, step).count == 0
    files.write("ana", "pablo")
    assert settled(server, step).count == 0
    assert step.due is None
    files.write("ana")
    assert settled(server, step).count == 1
    assert server.active()["pablo"]["status"] == "orphaned"
    assert (step.due, step.waits) == (None, False)


def test_at_a_start_files_that_were_left_alone_long_ago_are_not_waited_for(
    server: Server, step: OrphanStep, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write("ana")
    monkeypatch.setattr(orphans, "long_ago", lambda marks: True)
    assert take(server, step).count == 1
    # Only then: what changes later is waited for, whatever its times say.
    server.write_registry(ana=entry("ana", uid=UID), pablo=entry("pablo", uid=UID))
    files.write("root", "ana")
    assert take(server, step).count == 0
    assert step.due == server.clock.seconds + 1


def test_where_nothing_has_changed_nothing_is_read(server: Server, step: OrphanStep, files: Files) -> None:
    settled(server, step)
    first = take(server, step)
    before = files.readings
    for _ in range(5):
        assert take(server, step) == first
    assert files.readings == before
    server.write_registry(ana=entry("ana", uid=UID), pablo=entry("pablo", "new@example.org", uid=UID))
    take(server, step)
    assert files.readings == before


def test_files_that_change_while_they_are_asked_are_asked_again(
    server: Server, step: OrphanStep, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write("ana")
    take(server, step)
    server.clock.pass_by(1)
    looks: list[Marks] = []
    marks = files.marks

    def look() -> Marks:
        looks.append(marks())
        if len(looks) == 1:
            found = looks[0]
            files.write("ana", "pablo")
            return found
        return marks()

    monkeypatch.setattr(files, "marks", look)
    assert take(server, step).count == 0
    assert step.waits
    assert settled(server, step).count == 0
    assert server.active()["pablo"]["status"] == "active"


def test_a_registry_that_another_program_holds_is_tried_again(server: Server, step: OrphanStep, files: Files) -> None:
    files.write("ana")
    with (server.paths.state / "email-aliases.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        turned = settled(server, step)
        assert (turned.count, list(turned.problems)) == (0, ["registry-busy"])
        assert step.due is not None
        assert server.clock.seconds < step.due < server.clock.seconds + 1
        assert step.waits
    server.clock.pass_by(1)
    turned = take(server, step)
    assert (turned.count, turned.problems) == (1, {})
    assert outstanding(step) == (None, False)


def test_files_that_somebody_changes_all_the_time_are_judged_by_all_the_same(
    server: Server, step: OrphanStep, files: Files
) -> None:
    settled(server, step)
    began = server.clock.seconds
    files.write("ana")
    while take(server, step).count == 0:
        assert step.due is not None
        assert server.clock.seconds < step.due <= began + LONGEST_SECONDS
        server.clock.pass_by(0.9)
        files.write("ana")
    assert began + LONGEST_SECONDS <= server.clock.seconds < began + LONGEST_SECONDS + 1
    assert server.active()["pablo"]["status"] == "orphaned"
    assert server.active()["ana"]["status"] == "active"
    # After that they are waited for as before.
    files.write("ana", "root")
    assert take(server, step).count == 0
    assert step.due == server.clock.seconds + QUIET_SECONDS


def test_after_trouble_that_lasted_files_are_waited_for_as_before(
    server: Server, step: OrphanStep, files: Files
) -> None:
    os.unlink(files.passwd)
    assert list(settled(server, step).problems) == ["accounts-unreadable"]
    server.clock.pass_by(LONGEST_SECONDS * 2)
    assert list(take(server, step).problems) == ["accounts-unreadable"]
    files.write("ana")
    assert take(server, step).count == 0
    assert step.due == server.clock.seconds + QUIET_SECONDS


def test_a_registry_that_was_busy_does_not_put_off_what_the_account_files_say_next(
    server: Server, step: OrphanStep, files: Files
) -> None:
    files.write("ana")
    with (server.paths.state / "email-aliases.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert list(settled(server, step).problems) == ["registry-busy"]
        files.write("ana", "pablo")
        take(server, step)
        assert step.due == server.clock.seconds + QUIET_SECONDS
        server.clock.pass_by(QUIET_SECONDS)
        assert take(server, step).problems == {}
        assert outstanding(step) == (None, False)


def test_what_is_held_is_not_let_pass_by_another_change_of_the_registry(
    server: Server, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.people, "is_member", lambda name, gid: gid == GID)
    names = [f"m{number}" for number in range(10)]
    entries = {name: entry(name, uid=UID) for name in names}
    server.write_registry(**entries)
    files.write(*names[4:])
    memory = OrphanMemory()
    step = stepping(server, files, memory)
    assert list(settled(server, step).problems) == ["orphans-held"]

    off = {"m9": entries["m9"] | {"status": "cancelled"}}
    server.write_registry(**entries | off)
    turned = take(server, step)
    assert turned.problems["orphans-held"].startswith(
        "The accounts of 4 of 9 active aliases are gone or are no members, all at once, and no more than 3 are "
    )
    more = {name: entry(name) for name in ("press", "help", "abuse", "post", "list")}
    server.write_registry(**entries | more)
    assert "4 of 15 active aliases" in take(server, step).problems["orphans-held"]
    # A configuration that is read again changes nothing of it.
    again = stepping(server, files, memory)
    monkeypatch.setattr(orphans, "long_ago", lambda marks: True)
    assert "4 of 15 active aliases" in take(server, again).problems["orphans-held"]
    server.write_registry(**entries | more | {"m0": entries["m0"] | {"status": "revoked"}})
    assert take(server, again).count == 3
    assert memory.held is None


def test_nobody_waits_for_the_name_services_as_long_as_the_files_are_waited_for(
    server: Server, step: OrphanStep, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(server.people, "of_name", asked.append)
    put(Path(files.nsswitch), b"passwd: files systemd\n", 0o644)
    settled(server, step)
    files.write("ana")
    take(server, step)
    assert asked == []
    server.clock.pass_by(QUIET_SECONDS)
    assert take(server, step).count == 1
    assert asked == ["pablo"]


def test_what_was_edited_under_its_hands_is_not_overwritten(server: Server, step: OrphanStep, files: Files) -> None:
    files.write("ana")
    take(server, step)
    server.clock.pass_by(1)
    read = server.registry.current()
    server.write_registry(ana=entry("ana", "edited@example.org", uid=UID), pablo=entry("pablo", uid=UID))
    assert step.take(read, forced=False).count == 0
    assert server.active()["ana"]["destination"] == "edited@example.org"
    assert server.active()["pablo"]["status"] == "active"
    assert take(server, step).count == 1
