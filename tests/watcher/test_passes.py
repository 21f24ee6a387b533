"""One pass after another over a whole server, with a real account, a real map, and no events."""

import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.names import NameRefusedError, check_username
from schemas.status import Status, read_status
from watcher import orphans
from watcher.context import Context, SecondWatcherError
from watcher.passes import Passes, PassResult
from watcher.status import Problems
from watcher.systemd import Notifier

from ..support.layout import put
from ..support.mailconfig import MailConfig
from .server import Record, Server, entry

pytestmark = pytest.mark.needs("root", "postfix-hash")


def real_member() -> pwd.struct_passwd:
    """An account of this machine that may have an alias, in a group of its own: `daemon` on Debian."""
    for account in pwd.getpwall():
        try:
            check_username(account.pw_name)
        except NameRefusedError:
            continue
        if account.pw_uid != 0 and account.pw_gid != 0:
            return account
    pytest.skip("This machine has no account but root's.")


class House(Server):
    """A server whose member is a real account, with everything open as the watcher has it."""

    def __init__(self, root: Path) -> None:
        import grp

        account = real_member()
        self.member = account.pw_name
        super().__init__(root, group=grp.getgrgid(account.pw_gid).gr_name)
        os.chown(self.paths.queue, -1, account.pw_gid)
        self.paths.queue.chmod(0o2770)
        self.people.add(self.member, uid=account.pw_uid)
        self.account = account
        self.write_accounts()
        self.mail = MailConfig(self.paths.postfix, maps=f"hash:{self.paths.map}")
        self.context: Context | None = None
        self.passes: Passes

    def write_accounts(self, *names: str) -> None:
        """Write the account files: the member, and *names*. The name services of this process are the machine's."""
        uid, gid = self.account.pw_uid, self.account.pw_gid
        lines = [f"{name}:x:{uid}:{gid}::/:/bin/sh\n" for name in (self.member, *names)]
        put(self.paths.root / "passwd", "".join(lines).encode(), 0o644)
        put(self.paths.root / "group", f"members:x:{gid}:\n".encode(), 0o644)

    def write_registry(self, **entries: Record) -> None:
        """The same, of members who have accounts."""
        self.write_accounts(*entries)
        super().write_registry(**entries)

    def open(self) -> Passes:
        self.context = Context(self.settings, Problems(), Notifier(), "2026-05-19T20:55:18Z")
        self.passes = Passes(self.context, lambda: False)
        return self.passes

    def close(self) -> None:
        if self.context is not None:
            self.context.close()

    def run(self) -> PassResult:
        return self.passes.run({})

    def settle(self) -> PassResult:
        """Make passes until nothing more is to be done at once."""
        for _ in range(100):
            result = self.run()
            if not result.more:
                return result
        raise AssertionError("the passes never end")

    def status(self) -> Status:
        status = read_status(str(self.paths.runtime))
        assert status is not None
        return status

    def problems(self) -> dict[str, str]:
        return {problem.code: problem.what for problem in self.status().problems}

    def lookup(self, name: str) -> str | None:
        return self.mail.lookup(f"hash:{self.paths.map}", f"{name}@runv.club")

    def markers_left(self) -> list[str]:
        return sorted(set(os.listdir(self.paths.decisions)) - {"failed"})

    def approval(self) -> Record:
        (request,) = self.found("pending")
        return {key: request[key] for key in ("username", "request_id", "destination")} | {"decision": "approve"}


@pytest.fixture(autouse=True)
def _accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The accounts are those of the test, and nobody is in the middle of editing them."""
    for name in ("passwd", "group"):
        monkeypatch.setenv(f"NSS_WRAPPER_{name.upper()}", str(tmp_path / name))
    monkeypatch.setattr(orphans, "QUIET_SECONDS", 0.0)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    house = House(tmp_path)
    with monkeypatch.context() as context:
        context.setenv("MAIL_CONFIG", str(house.paths.postfix))
        house.open()
        yield house
        house.close()


def test_from_a_request_to_a_live_alias(house: House) -> None:
    house.request(house.member)
    house.run()
    assert house.status().pending == 1
    house.mark(house.approval())
    result = house.run()
    assert (result.changes, result.failed, result.problems) == (1, False, {})
    assert house.lookup(house.member) == "p@example.org"
    status = house.status()
    assert status.published is not None
    assert (status.pending, status.published.aliases, status.problems) == (0, 1, [])
    assert house.markers_left() == []
    assert house.passes.due is None


def test_a_pass_that_finds_nothing_new_changes_nothing(house: House) -> None:
    house.write_registry(pablo=entry())
    house.run()
    # Looking is no change: the time of the last access is left out.
    changes = [(path, path.lstat()[:7], path.lstat()[8:]) for path in house.paths.root.rglob("*")]
    for _ in range(3):
        assert house.run() == PassResult()
    assert [(path, path.lstat()[:7], path.lstat()[8:]) for path in house.paths.root.rglob("*")] == changes


def test_a_marker_is_gone_only_when_the_status_tells_its_outcome(house: House) -> None:
    house.write_registry(pablo=entry())
    house.run()
    house.paths.status.unlink()
    house.paths.status.mkdir()
    house.mark({"decision": "revoke", "username": "pablo"})
    house.run()
    assert house.lookup("pablo") is None
    assert len(house.markers_left()) == 1
    assert house.passes.due is not None
    house.paths.status.rmdir()
    house.run()
    assert house.markers_left() == []
    assert house.status().published is not None
    assert house.status().published.aliases == 0  # type: ignore[union-attr]


def test_a_broken_registry_is_waited_out_and_requests_are_taken_in_meanwhile(house: House) -> None:
    house.write_registry(pablo=entry())
    house.run()
    house.paths.registry.write_text("{")
    house.mark({"decision": "revoke", "username": "pablo"})
    house.mark({"decision": "sync"}, "sync")
    house.request(house.member)
    result = house.settle()
    assert result.failed
    assert house.problems()["registry-broken"].startswith(f"The registry {house.paths.registry} cannot be used.")
    assert house.lookup("pablo") == "p@example.org"
    assert len(house.found("pending")) == 1
    assert len(house.markers_left()) == 1  # whoever asked for a sync is told, the decision waits
    house.write_registry(pablo=entry())
    house.settle()
    assert house.lookup("pablo") is None
    assert house.problems() == {}


def test_an_active_cancel_that_waits_for_the_registry_does_not_keep_the_passes_turning(house: House) -> None:
    house.paths.registry.write_text("{")
    now = time.time()
    house.drop(house.member, {"action": "cancel", "scope": "active"}, "1.json", mtime=now - 2)
    house.request(house.member, filename="2.json", mtime=now - 1)
    house.settle()
    assert house.queue() == ["1.json", "2.json"]
    house.write_registry(**{house.member: entry(house.member)})
    house.settle()
    assert house.queue() == []
    assert house.active()[house.member]["status"] == "cancelled"
    assert len(house.found("pending")) == 1


def test_while_another_program_holds_the_lock_decisions_are_tried_again_soon(house: House) -> None:
    house.write_registry(pablo=entry())
    house.run()
    house.mark({"decision": "revoke", "username": "pablo"})
    with (house.paths.state / "email-aliases.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        house.run()
        assert house.problems()["registry-busy"].startswith("Another program holds the lock")
        assert house.passes.due is not None
        assert house.passes.due - time.monotonic() < 1
        assert len(house.markers_left()) == 1
    house.run()
    assert (house.problems(), house.markers_left(), house.lookup("pablo")) == ({}, [], None)


def test_a_registry_that_was_broken_behind_the_lock_keeps_no_core_busy(house: House) -> None:
    house.write_registry(pablo=entry())
    house.run()
    house.mark({"decision": "revoke", "username": "pablo"})
    with (house.paths.state / "email-aliases.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        house.run()
        house.paths.registry.write_text("{")
    house.run()
    assert set(house.problems()) == {"registry-broken"}
    # Mending it is an event.
    assert house.passes.due is None


def test_what_was_due_when_a_pass_began_keeps_no_core_busy_though_it_could_not_be_done(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.run()
    Path(house.settings.audit).unlink()
    Path(house.settings.audit).mkdir()
    monkeypatch.setattr("watcher.incomplete.QUIET_SECONDS", 0.01)
    house.request(house.member, filename="half.json").write_bytes(b"{")
    house.run()
    due = house.passes.due
    assert due is not None
    house.context.intake.incomplete._clock = house.passes._clock = lambda: due + 0.001  # type: ignore[union-attr]
    house.run()
    # Refused, but the log cannot tell of it: that is for the retry, and not for this very moment.
    assert set(house.problems()) == {"state-unwritable"}
    assert house.passes.due is not None
    assert house.passes.due > due + 0.001


def test_a_publish_that_failed_is_tried_again_and_the_old_map_answers(house: House) -> None:
    house.write_registry(pablo=entry())
    house.run()
    house.paths.postfix.rename(house.paths.root / "away")
    house.write_registry(pablo=entry(destination="q@example.org"))
    assert house.run().failed
    assert house.problems()["publish-failed"].startswith(f"The map {house.paths.map} could not be brought up to date")
    assert house.passes.due is not None
    (house.paths.root / "away").rename(house.paths.postfix)
    assert house.lookup("pablo") == "p@example.org"
    house.run()
    assert house.lookup("pablo") == "q@example.org"
    assert house.problems() == {}
    assert house.passes.due is None


def test_a_mass_change_waits_for_the_administrator_who_names_the_registry(house: House) -> None:
    names = [f"member{index}" for index in range(10)]
    house.write_registry(**{name: entry(name) for name in names})
    house.run()
    house.write_registry(**{name: entry(name) for name in names[5:]})
    house.mark({"decision": "sync"}, "plain")
    assert house.run().failed
    assert "would take away 5" in house.problems()["publish-held"]
    assert house.markers_left() == []
    assert house.lookup("member0") == "p@example.org"
    assert house.passes.due is None
    assert house.context is not None
    sha256 = house.context.registry.current().sha256
    house.mark({"decision": "sync", "force": True, "registry_sha256": sha256}, "forced")
    assert not house.run().failed
    assert (house.lookup("member0"), house.problems(), house.markers_left()) == (None, {}, [])


def test_where_publishing_is_off_postfix_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)
    house.paths.config.write_text(house.paths.config.read_text().replace('"enabled": true', '"enabled": false'))
    monkeypatch.setenv("PATH", "/nowhere")
    before = set(os.listdir(house.paths.postfix))
    house.open()
    house.write_registry(pablo=entry())
    house.mark({"decision": "revoke", "username": "pablo"})
    assert house.run().problems == {}
    assert house.active()["pablo"]["status"] == "revoked"
    assert set(os.listdir(house.paths.postfix)) == before
    assert house.status().published is None
    house.close()


def test_a_map_that_postfix_does_not_ask_is_told(house: House) -> None:
    house.mail.write(virtual_alias_maps="")
    house.write_registry(pablo=entry())
    house.run()
    assert house.lookup("pablo") == "p@example.org"
    assert f"postconf -e 'virtual_alias_maps = hash:{house.paths.map}'" in house.problems()["map-not-used"]
    house.mail.write(virtual_alias_maps=f"hash:{house.paths.map}")
    house.run()
    assert house.problems() == {}


def test_directories_in_the_queue_are_told(house: House) -> None:
    (house.paths.queue / "folder").mkdir()
    house.run()
    assert house.status().left_alone == 1
    assert str(house.paths.queue) in house.problems()["queue-directories"]


def test_without_the_group_everything_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)
    config = house.paths.config.read_text()
    house.paths.config.write_text(config.replace('"group": "', '"group": "no-such-'))
    monkeypatch.setenv("MAIL_CONFIG", str(house.paths.postfix))
    house.open()
    house.request(house.member)
    assert house.run().problems["group-missing"].startswith("The group no-such-")
    assert house.queue() == ["ask.json"]
    assert house.passes.due is not None
    house.close()


def test_a_file_that_is_not_whole_yet_is_looked_at_again_when_it_is_due(house: House) -> None:
    house.drop(house.member, b"{")
    house.run()
    assert house.passes.due is not None
    assert 0 < house.passes.due - time.monotonic() <= 2


def test_there_is_one_watcher_only(house: House) -> None:
    temporary = house.paths.decisions / "failed" / ".being-written.json.tmp"
    temporary.write_text("{")
    with pytest.raises(SecondWatcherError, match=rf"^Another watcher is at work on {house.paths.decisions};"):
        Context(house.settings, Problems(), Notifier(), "2026-05-19T20:55:18Z")
    assert temporary.exists()
    house.close()
    house.open()
    house.run()
    assert not temporary.exists()


def test_a_start_tells_of_no_alias_again_however_many_were_switched_off(house: House) -> None:
    names = [f"m{number:04}" for number in range(1000)]
    house.write_registry(**{name: entry(name, uid=house.account.pw_uid) for name in names})
    house.write_accounts(*names[300:])
    house.close()
    house.open()
    house.settle()
    log = house.paths.state / "email-alias-audit.jsonl"
    found = log.read_bytes()
    assert found.count(b'"orphaned"') == 300

    house.close()
    house.open()
    house.settle()

    assert log.read_bytes() == found
