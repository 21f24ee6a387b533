"""Whichever write of a pass fails, once or from then on: nothing is lost or done twice, and the map stays whole."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from watcher.context import Context
from watcher.passes import Passes
from watcher.status import Problems
from watcher.systemd import Notifier

from ..support.disk import small_disk
from ..support.layout import FOLDERS, put
from ..support.mailconfig import MailConfig
from ..watcher.server import Record, Server, entry
from .faults import faulty_disk

pytestmark = pytest.mark.needs("root", "postfix-hash")

ACTIVE_BEFORE = {"leaves", "ousted", "other"}
ACTIVE_BETWEEN = {"leaves", "waits", "other"}
"""With the decisions applied, and the member's own cancel not taken in yet."""
ACTIVE_AFTER = {"waits", "other"}
MORE_THAN_A_PASS_WRITES = 150
STRIDE = 4
"""For the sake of time; every single one has been tried."""


class House(Server):
    """A server with everything open as the watcher has it, and one thing of each kind to do."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        super().__init__(root)
        for name in ("asks", "withdraws", "errs", "waits", "unwanted", *ACTIVE_BEFORE):
            self.people.add(name)
        self.mail = MailConfig(self.paths.postfix, maps=f"hash:{self.paths.map}")
        # The people are in neither file: there is a service besides, which is asked for them.
        self.accounts = root / "accounts"
        self.accounts.mkdir()
        put(self.accounts / "passwd", b"root:x:0:0::/root:/bin/sh\n", 0o644)
        put(self.accounts / "group", b"root:x:0:\n", 0o644)
        put(self.accounts / "nsswitch.conf", b"passwd: files systemd\ngroup: files systemd\n", 0o644)
        self.write_registry(**{name: entry(name, f"{name}@example.org") for name in sorted(ACTIVE_BEFORE)})

    @contextmanager
    def opened(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MAIL_CONFIG", str(self.paths.postfix))
            patch.setattr("watcher.context.Accounts", lambda group: self.people)
            patch.setattr("watcher.orphans.QUIET_SECONDS", 0.0)
            for name in ("passwd", "group"):
                patch.setenv(f"NSS_WRAPPER_{name.upper()}", str(self.accounts / name))
            with Context(self.settings, Problems(), Notifier(), "2026-05-19T20:55:18Z") as context:
                self.passes = Passes(context, lambda: False, clock=self.clock)
                yield

    def go_on(self) -> dict[str, str]:
        """Make passes until nothing more is to be done at once, and return what is wrong."""
        while (result := self.passes.run({})).more:
            pass
        return result.problems

    def give_work(self) -> None:
        """One thing of each kind, all to be done in one pass."""
        for name in ("withdraws", "waits", "unwanted"):
            self.request(name, f"{name}@example.org", filename=f"{name}.json")
        assert self.go_on() == {}
        self.request("asks", "asks@example.org", filename="asks.json")
        self.drop("withdraws", {"action": "cancel"}, "withdraw.json")
        self.drop("errs", {"destination": "nowhere"}, "errs.json")
        self.drop("leaves", {"action": "cancel", "scope": "active"}, "leave.json")
        records = {record["username"]: record for record in self.found("pending")}
        for kind, name in (("approve", "waits"), ("reject", "unwanted"), ("revoke", "ousted"), ("approve", "other")):
            shown = {key: records.get(name, {}).get(key, "none") for key in ("request_id", "destination")}
            self.mark({"decision": kind, "username": name, **(shown if kind != "revoke" else {})}, name)

    def answers(self) -> set[str]:
        """Whose aliases the map answers for, as each of them should be."""
        dumped = self.mail.run("postmap", "-s", f"hash:{self.paths.map}")
        assert (dumped.returncode, dumped.stderr) == (0, "")
        rows = dict(line.split("\t") for line in dumped.stdout.splitlines())
        names = {alias.partition("@")[0] for alias in rows}
        assert rows == {f"{name}@runv.club": f"{name}@example.org" for name in names}
        return names

    def audited(self) -> set[tuple[str, str]]:
        """What the audit log tells, of whom."""
        lines = [json.loads(line) for line in (self.paths.state / "email-alias-audit.jsonl").read_text().splitlines()]
        return {(line["what"], line.get("username") or "") for line in lines}

    def assert_done(self) -> None:
        """All was done, once, and nothing is left over."""
        found = [(record["username"], folder) for folder in FOLDERS for record in self.found(folder)]
        assert sorted(found) == [
            ("asks", "pending"),
            ("errs", "refused"),
            ("leaves", "cancelled"),
            ("unwanted", "rejected"),
            ("waits", "approved"),
            ("withdraws", "cancelled"),
            ("withdraws", "cancelled"),
        ]
        assert {name: each["status"] for name, each in self.active().items()} == {
            "leaves": "cancelled",
            "ousted": "revoked",
            "other": "active",
            "waits": "active",
        }
        assert [failed["decision_id"] for failed in self.failed()] == ["other"]
        assert self.audited() >= {
            ("accepted", "asks"),
            ("refused", "errs"),
            ("cancelled", "leaves"),
            ("cancelled", "withdraws"),
            ("approved", "waits"),
            ("rejected", "unwanted"),
            ("revoked", "ousted"),
            ("failed", "other"),
            ("published", ""),
        }
        assert self.queue() == []
        assert os.listdir(self.paths.decisions) == ["failed"]
        assert [path for directory in self.paths.directories for path in directory.glob(".*")] == []
        assert self.answers() == ACTIVE_AFTER
        status: Record = json.loads(self.paths.status.read_bytes())
        assert status["problems"] == []


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory: every write here is synced, some ten thousand times."""
    with small_disk(tmp_path, size="16m", inodes=10_000):
        yield tmp_path


def troubles(log: pytest.LogCaptureFixture) -> list[str]:
    """What was told of a disk that cannot be written."""
    return [message for message in log.messages if os.strerror(errno.EIO) in message]


@pytest.mark.parametrize("lasting", [False, True])
def test_whichever_write_fails_everything_is_done_once_when_the_disk_is_mended(
    quick: Path, lasting: bool, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[str] = []
    with faulty_disk() as disk:
        for number in range(1 + 2 * lasting, MORE_THAN_A_PASS_WRITES, STRIDE):
            caplog.clear()
            house = House(quick / str(number))
            with house.opened():
                house.give_work()
                disk.arm(number, lasting=lasting)
                for _ in range(3):
                    house.go_on()
                    house.clock.pass_by(60)
                failed = list(disk.failed)
                disk.arm(0, lasting=False)
                for message in troubles(caplog) if failed else []:
                    assert str(house.paths.root) in message
                assert house.answers() in (ACTIVE_BEFORE, ACTIVE_BETWEEN, ACTIVE_AFTER)
                house.clock.pass_by(60)
                assert house.go_on() == {}
                house.assert_done()
            shutil.rmtree(house.paths.root)
            if not failed:
                break
            tried += failed[:1]
    assert len(tried) > 20


def test_a_status_that_cannot_be_written_is_tried_ever_more_seldom_and_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(tmp_path / "house")
    with small_disk(house.paths.runtime) as disk, house.opened():
        assert house.go_on() == {}
        disk.make_read_only()
        house.request("asks", "asks@example.org")
        delays = []
        for _ in range(8):
            house.go_on()
            assert house.passes.due is not None
            delays.append(house.passes.due - house.clock())
            house.clock.pass_by(delays[-1])
        disk.mend()
        house.go_on()
        assert house.passes.due is None

    assert delays == [1, 2, 4, 8, 16, 32, 60, 60]
    (message,) = (message for message in caplog.messages if os.strerror(errno.EROFS) in message)
    assert f"({house.paths.runtime}/" in message
    assert len(house.found("pending")) == 1


def test_a_withdrawal_that_comes_while_an_approval_is_half_recorded_withdraws_nothing(tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    with small_disk(house.paths.requests) as disk:
        house.paths.make(house.people.gid)
        with house.opened():
            house.request("waits", "waits@example.org")
            assert house.go_on() == {}
            (record,) = house.found("pending")
            shown = {key: record[key] for key in ("username", "request_id", "destination")}
            disk.make_read_only()
            house.mark({"decision": "approve", **shown}, "waits")
            assert "state-unwritable" in house.go_on()
            assert house.active()["waits"]["status"] == "active"
            house.drop("waits", {"action": "cancel"}, "withdraw.json")
            disk.mend()
            house.clock.pass_by(60)

            assert house.go_on() == {}

        folders = [folder for folder in FOLDERS for _ in house.found(folder)]
        assert folders == ["approved", "refused"]
        assert house.active()["waits"]["status"] == "active"
