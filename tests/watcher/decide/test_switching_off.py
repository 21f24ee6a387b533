"""When orphans are switched off, and what is read for it: with account files of the test's own, and a clock."""

import fcntl
import os
from pathlib import Path

import pytest

from watcher.account_files import QUIET_SECONDS, AccountFiles, LocalAccounts, Marks
from watcher.decide import switching_off
from watcher.decide.switching_off import SwitchingOff, Turned

from ...support.layout import put
from ..server import Server, entry

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
def step(server: Server, files: Files, monkeypatch: pytest.MonkeyPatch) -> SwitchingOff:
    monkeypatch.setattr(server.people, "is_member", lambda name, gid: gid == GID)
    server.people.by_name.clear()
    server.write_registry(ana=entry("ana", uid=UID), pablo=entry("pablo", uid=UID))
    return SwitchingOff(server.settings, server.registry, server.people, server.audit, files, set(), server.clock)


def take(server: Server, step: SwitchingOff, *, forced: bool = False) -> Turned:
    return step.take(server.registry.current(), forced=forced)


def settled(server: Server, step: SwitchingOff) -> Turned:
    """Take the step until the files have been left alone for long enough."""
    take(server, step)
    server.clock.pass_by(QUIET_SECONDS)
    return take(server, step)


def outstanding(step: SwitchingOff) -> tuple[float | None, bool]:
    """When it is due, and whether a forced sync has to wait for it."""
    return step.due, step.waits


def test_files_that_are_being_edited_are_waited_for(server: Server, step: SwitchingOff, files: Files) -> None:
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
    server: Server, step: SwitchingOff, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write("ana")
    monkeypatch.setattr(switching_off, "long_ago", lambda marks: True)
    assert take(server, step).count == 1
    # Only then: what changes later is waited for, whatever its times say.
    server.write_registry(ana=entry("ana", uid=UID), pablo=entry("pablo", uid=UID))
    files.write("root", "ana")
    assert take(server, step).count == 0
    assert step.due == server.clock.seconds + 1


def test_where_nothing_has_changed_nothing_is_read(server: Server, step: SwitchingOff, files: Files) -> None:
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
    server: Server, step: SwitchingOff, files: Files, monkeypatch: pytest.MonkeyPatch
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


def test_a_registry_that_another_program_holds_is_tried_again(server: Server, step: SwitchingOff, files: Files) -> None:
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


def test_what_was_edited_under_its_hands_is_not_overwritten(server: Server, step: SwitchingOff, files: Files) -> None:
    files.write("ana")
    take(server, step)
    server.clock.pass_by(1)
    read = server.registry.current()
    server.write_registry(ana=entry("ana", "edited@example.org", uid=UID), pablo=entry("pablo", uid=UID))
    assert step.take(read, forced=False).count == 0
    assert server.active()["ana"]["destination"] == "edited@example.org"
    assert server.active()["pablo"]["status"] == "active"
    assert take(server, step).count == 1
