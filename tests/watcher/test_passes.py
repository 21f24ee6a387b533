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


class WholeServer(Server):
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
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WholeServer]:
    server = WholeServer(tmp_path)
    with monkeypatch.context() as context:
        context.setenv("MAIL_CONFIG", str(server.paths.postfix))
        server.open()
        yield server
        server.close()


def test_from_a_request_to_a_live_alias(server: WholeServer) -> None:
    server.request(server.member)
    server.run()
    assert server.status().pending == 1
    server.mark(server.approval())
    result = server.run()
    assert (result.changes, result.failed, result.problems) == (1, False, {})
    assert server.lookup(server.member) == "p@example.org"
    status = server.status()
    assert status.published is not None
    assert (status.pending, status.published.aliases, status.problems) == (0, 1, [])
    assert server.markers_left() == []
    assert server.passes.due is None


def test_a_pass_that_finds_nothing_new_changes_nothing(server: WholeServer) -> None:
    server.write_registry(pablo=entry())
    server.run()
    # Looking is no change: the time of the last access is left out.
    changes = [(path, path.lstat()[:7], path.lstat()[8:]) for path in server.paths.root.rglob("*")]
    for _ in range(3):
        assert server.run() == PassResult()
    assert [(path, path.lstat()[:7], path.lstat()[8:]) for path in server.paths.root.rglob("*")] == changes


def test_a_marker_is_gone_only_when_the_status_tells_its_outcome(server: WholeServer) -> None:
    server.write_registry(pablo=entry())
    server.run()
    server.paths.status.unlink()
    server.paths.status.mkdir()
    server.mark({"decision": "revoke", "username": "pablo"})
    server.run()
    assert server.lookup("pablo") is None
    assert len(server.markers_left()) == 1
    assert server.passes.due is not None
    server.paths.status.rmdir()
    server.run()
    assert server.markers_left() == []
    assert server.status().published is not None
    assert server.status().published.aliases == 0  # type: ignore[union-attr]


def test_a_broken_registry_is_waited_out_and_requests_are_taken_in_meanwhile(server: WholeServer) -> None:
    server.write_registry(pablo=entry())
    server.run()
    server.paths.registry.write_text("{")
    server.mark({"decision": "revoke", "username": "pablo"})
    server.mark({"decision": "sync"}, "sync")
    server.request(server.member)
    result = server.settle()
    assert result.failed
    assert server.problems()["registry-broken"].startswith(f"The registry {server.paths.registry} cannot be used.")
    assert server.lookup("pablo") == "p@example.org"
    assert len(server.found("pending")) == 1
    assert len(server.markers_left()) == 1  # whoever asked for a sync is told, the decision waits
    server.write_registry(pablo=entry())
    server.settle()
    assert server.lookup("pablo") is None
    assert server.problems() == {}


def test_an_active_cancel_that_waits_for_the_registry_does_not_keep_the_passes_turning(server: WholeServer) -> None:
    server.paths.registry.write_text("{")
    now = time.time()
    server.drop(server.member, {"action": "cancel", "scope": "active"}, "1.json", mtime=now - 2)
    server.request(server.member, filename="2.json", mtime=now - 1)
    server.settle()
    assert server.queue() == ["1.json", "2.json"]
    server.write_registry(**{server.member: entry(server.member)})
    server.settle()
    assert server.queue() == []
    assert server.active()[server.member]["status"] == "cancelled"
    assert len(server.found("pending")) == 1


def test_while_another_program_holds_the_lock_decisions_are_tried_again_soon(server: WholeServer) -> None:
    server.write_registry(pablo=entry())
    server.run()
    server.mark({"decision": "revoke", "username": "pablo"})
    with (server.paths.state / "email-aliases.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server.run()
        assert server.problems()["registry-busy"].startswith("Another program holds the lock")
        assert server.passes.due is not None
        assert server.passes.due - time.monotonic() < 1
        assert len(server.markers_left()) == 1
    server.run()
    assert (server.problems(), server.markers_left(), server.lookup("pablo")) == ({}, [], None)


def test_a_registry_that_was_broken_behind_the_lock_keeps_no_core_busy(server: WholeServer) -> None:
    server.write_registry(pablo=entry())
    server.run()
    server.mark({"decision": "revoke", "username": "pablo"})
    with (server.paths.state / "email-aliases.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server.run()
        server.paths.registry.write_text("{")
    server.run()
    assert set(server.problems()) == {"registry-broken"}
    # Mending it is an event.
    assert server.passes.due is None


def test_what_was_due_when_a_pass_began_keeps_no_core_busy_though_it_could_not_be_done(
    server: WholeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.run()
    Path(server.settings.audit).unlink()
    Path(server.settings.audit).mkdir()
    monkeypatch.setattr("watcher.incomplete.QUIET_SECONDS", 0.01)
    server.request(server.member, filename="half.json").write_bytes(b"{")
    server.run()
    due = server.passes.due
    assert due is not None
    server.context.intake.incomplete._clock = server.passes._clock = lambda: due + 0.001  # type: ignore[union-attr]
    server.run()
    # Refused, but the log cannot tell of it: that is for the retry, and not for this very moment.
    assert set(server.problems()) == {"state-unwritable"}
    assert server.passes.due is not None
    assert server.passes.due > due + 0.001


def test_a_publish_that_failed_is_tried_again_and_the_old_map_answers(server: WholeServer) -> None:
    server.write_registry(pablo=entry())
    server.run()
    server.paths.postfix.rename(server.paths.root / "away")
    server.write_registry(pablo=entry(destination="q@example.org"))
    assert server.run().failed
    assert server.problems()["publish-failed"].startswith(f"The map {server.paths.map} could not be brought up to date")
    assert server.passes.due is not None
    (server.paths.root / "away").rename(server.paths.postfix)
    assert server.lookup("pablo") == "p@example.org"
    server.run()
    assert server.lookup("pablo") == "q@example.org"
    assert server.problems() == {}
    assert server.passes.due is None


def test_a_mass_change_waits_for_the_administrator_who_names_the_registry(server: WholeServer) -> None:
    names = [f"member{index}" for index in range(10)]
    server.write_registry(**{name: entry(name) for name in names})
    server.run()
    server.write_registry(**{name: entry(name) for name in names[5:]})
    server.mark({"decision": "sync"}, "plain")
    assert server.run().failed
    assert "would take away 5" in server.problems()["publish-held"]
    assert server.markers_left() == []
    assert server.lookup("member0") == "p@example.org"
    assert server.passes.due is None
    assert server.context is not None
    sha256 = server.context.registry.current().sha256
    server.mark({"decision": "sync", "force": True, "registry_sha256": sha256}, "forced")
    assert not server.run().failed
    assert (server.lookup("member0"), server.problems(), server.markers_left()) == (None, {}, [])


def test_where_publishing_is_off_postfix_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = WholeServer(tmp_path)
    server.paths.config.write_text(server.paths.config.read_text().replace('"enabled": true', '"enabled": false'))
    monkeypatch.setenv("PATH", "/nowhere")
    before = set(os.listdir(server.paths.postfix))
    server.open()
    server.write_registry(pablo=entry())
    server.mark({"decision": "revoke", "username": "pablo"})
    assert server.run().problems == {}
    assert server.active()["pablo"]["status"] == "revoked"
    assert set(os.listdir(server.paths.postfix)) == before
    assert server.status().published is None
    server.close()


def test_a_map_that_postfix_does_not_ask_is_told(server: WholeServer) -> None:
    server.mail.write(virtual_alias_maps="")
    server.write_registry(pablo=entry())
    server.run()
    assert server.lookup("pablo") == "p@example.org"
    assert f"postconf -e 'virtual_alias_maps = hash:{server.paths.map}'" in server.problems()["map-not-used"]
    server.mail.write(virtual_alias_maps=f"hash:{server.paths.map}")
    server.run()
    assert server.problems() == {}


def test_directories_in_the_queue_are_told(server: WholeServer) -> None:
    (server.paths.queue / "folder").mkdir()
    server.run()
    assert server.status().left_alone == 1
    assert str(server.paths.queue) in server.problems()["queue-directories"]


def test_without_the_group_everything_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = WholeServer(tmp_path)
    config = server.paths.config.read_text()
    server.paths.config.write_text(config.replace('"group": "', '"group": "no-such-'))
    monkeypatch.setenv("MAIL_CONFIG", str(server.paths.postfix))
    server.open()
    server.request(server.member)
    assert server.run().problems["group-missing"].startswith("The group no-such-")
    assert server.queue() == ["ask.json"]
    assert server.passes.due is not None
    server.close()


def test_a_file_that_is_not_whole_yet_is_looked_at_again_when_it_is_due(server: WholeServer) -> None:
    server.drop(server.member, b"{")
    server.run()
    assert server.passes.due is not None
    assert 0 < server.passes.due - time.monotonic() <= 2


def test_there_is_one_watcher_only(server: WholeServer) -> None:
    temporary = server.paths.decisions / "failed" / ".being-written.json.tmp"
    temporary.write_text("{")
    with pytest.raises(SecondWatcherError, match=rf"^Another watcher is at work on {server.paths.decisions};"):
        Context(server.settings, Problems(), Notifier(), "2026-05-19T20:55:18Z")
    assert temporary.exists()
    server.close()
    server.open()
    server.run()
    assert not temporary.exists()


def test_a_start_tells_of_no_alias_again_however_many_were_switched_off(server: WholeServer) -> None:
    names = [f"m{number:04}" for number in range(1000)]
    server.write_registry(**{name: entry(name, uid=server.account.pw_uid) for name in names})
    server.write_accounts(*names[300:])
    server.close()
    server.open()
    server.settle()
    log = server.paths.state / "email-alias-audit.jsonl"
    found = log.read_bytes()
    assert found.count(b'"orphaned"') == 300

    server.close()
    server.open()
    server.settle()

    assert log.read_bytes() == found
