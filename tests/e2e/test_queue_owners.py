"""Whose file it is, and of when: the inode's owner alone speaks, once, and in the order of the files' times."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.install import Installation
from ..support.layout import put
from ..support.needs import require
from ..support.site import Record, Site
from ..support.waiting import wait_for
from ..support.watcher import RunningWatcher
from .acts import activate, ask, decide, decision, settle
from .queue_site import counted, gone, newcomer, others_go_on, refusal

REQUEST = b'{"destination": "me@example.org"}'
SWITCH_OFF = b'{"action": "cancel", "scope": "active"}'
NOT_A_MEMBER = "Its owner is not a member of the group runv-members."
TOO_OLD = "The file is more than 7 days old. If you still want this, ask again."
OUTDATED = "The file is older than one of yours that was taken in before. If you still want this, ask again."
RESERVED = "The name {} is reserved for the server itself and cannot be a member's alias."
DAY = 24 * 3600


@pytest.fixture(scope="module")
def lasting(installation: Installation) -> Iterator[Site]:
    """One server for the tests that differ in one value only."""
    require("root", "accounts", "postfix", "postfix-hash")
    with Site(installation, reserved=["Founder"]) as site:
        site.start_watcher()
        yield site


def test_a_file_of_somebody_outside_the_group_is_refused(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    eve = site.accounts.add("eve", membership="none")

    path = site.drop("eve", "eve.json", REQUEST)

    assert refusal(site, "eve", path)["reason"] == NOT_A_MEMBER
    assert eve.gid != site.accounts.gid
    others_go_on(site)


def test_a_file_of_root_is_nobodys_request(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    path = site.paths.queue / "root.json"

    put(path, REQUEST, 0o600)

    assert refusal(site, "root", path)["reason"] == NOT_A_MEMBER
    others_go_on(site)


def test_a_file_of_a_member_who_left_the_group_is_refused(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    uid = site.accounts.add("pablo", membership="listed").uid
    ask(site, "pablo", "p@example.org")
    site.accounts.remove("pablo")
    site.accounts.add("pablo", membership="none", uid=uid)

    path = site.drop("pablo", "again.json", {"action": "cancel"})

    assert refusal(site, "pablo", path)["reason"] == NOT_A_MEMBER
    assert site.pending("pablo") is not None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("postmaster", RESERVED.format("postmaster")),
        ("no-reply", RESERVED.format("no-reply")),
        ("founder", RESERVED.format("founder")),
        *(
            (
                name,
                f"The account name '{name}' cannot be an alias: an alias is a lower-case letter followed by 1 to 31 "
                "lower-case letters, digits, '-' or '_'.",
            )
            for name in ("x", "pablo.ruiz", "Pablo", "2pablo", "p" * 33)
        ),
    ],
)
def test_an_account_whose_name_can_be_no_alias_is_refused(lasting: Site, name: str, reason: str) -> None:
    site = lasting
    site.accounts.add(name)

    path = site.drop(name, "request.json", REQUEST)

    assert refusal(site, name, path)["reason"] == reason
    others_go_on(site)


def test_a_file_older_than_the_config_allows_is_refused(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    old, fresh = newcomer(site), newcomer(site)
    now = time.time()

    path = site.drop(old.name, "old.json", REQUEST, mtime=now - 7 * DAY - 60)
    site.drop(fresh.name, "fresh.json", REQUEST, mtime=now - 7 * DAY + 3600)

    assert refusal(site, old.name, path)["reason"] == TOO_OLD
    wait_for(lambda: site.pending(fresh.name), site.paths.requests / "pending", what="the request that is not too old")


@pytest.mark.parametrize("mtime", [1.0, 0.0, -1_000_000_000.0])
def test_a_file_from_the_beginning_of_time_is_too_old(lasting: Site, mtime: float) -> None:
    site = lasting
    member = newcomer(site)

    path = site.drop(member.name, "ancient.json", REQUEST, mtime=mtime)

    record = refusal(site, member.name, path)
    assert (record["reason"], record["created_at"][:10]) == (TOO_OLD, "1970-01-01")
    assert ask(site, member.name, "me@example.org")


def test_a_file_from_the_future_counts_as_of_now_and_keeps_no_later_one_out(
    site: Site, watcher: RunningWatcher
) -> None:
    assert watcher.running
    member = newcomer(site)
    before = time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() - 1))

    site.drop(member.name, "future.json", REQUEST, mtime=time.mktime((2200, 1, 1, 0, 0, 0, 0, 0, 0)))

    record = wait_for(lambda: site.pending(member.name), site.paths.requests / "pending", what="the request")
    assert record is not None
    assert before <= record["request_id"] < "2100"
    site.drop(member.name, "later.json", {"action": "cancel"})
    folder = site.paths.requests / "cancelled"
    wait_for(lambda: len(site.records("cancelled")) == 2, folder, what="the later cancel to be done")


def moved_away(site: Site, path: Path) -> Path:
    """Have another member take the file out of the queue, which the directory's mode allows."""
    eve = site.accounts.add("eve")
    hoard = site.root / "hoard"
    hoard.mkdir()
    os.chown(hoard, eve.uid, eve.gid)
    assert site.run(["mv", str(path), str(hoard)], account=eve).returncode == 0
    return hoard / path.name


def brought_back(site: Site, hidden: Path, name: str) -> Path:
    """Have the same member put it back under *name*; it is still the file of its first owner."""
    path = site.paths.queue / name
    assert site.run(["mv", str(hidden), str(path)], account=site.accounts["eve"]).returncode == 0
    return path


@pytest.mark.parametrize("name", ["first.json", "another.json"])
def test_a_request_that_was_moved_away_and_is_brought_back_does_not_speak_again(site: Site, name: str) -> None:
    site.accounts.add("pablo")
    hidden = moved_away(site, site.drop("pablo", "first.json", {"destination": "old@example.org"}))
    site.start_watcher()
    activate(site, "pablo", "new@example.net")

    path = brought_back(site, hidden, name)

    assert refusal(site, "pablo", path)["reason"] == OUTDATED
    assert site.pending("pablo") is None
    assert site.map_lookup("pablo@runv.club") == "new@example.net"


def test_a_cancel_that_was_moved_away_and_is_brought_back_switches_nothing_off(site: Site) -> None:
    site.accounts.add("pablo")
    hidden = moved_away(site, site.drop("pablo", "cancel.json", SWITCH_OFF))
    site.start_watcher()
    activate(site, "pablo", "p@example.org")

    path = brought_back(site, hidden, "cancel.json")

    assert refusal(site, "pablo", path)["reason"] == OUTDATED
    assert site.registry()["pablo"]["status"] == "active"
    assert site.map_lookup("pablo@runv.club") == "p@example.org"


def test_a_cancel_from_the_future_that_is_brought_back_switches_nothing_off(site: Site) -> None:
    """Renaming a file renews its ctime, so that cannot say how old a file is whose mtime lies ahead."""
    site.accounts.add("pablo")
    ahead = time.time() + 3600
    hidden = moved_away(site, site.drop("pablo", "cancel.json", SWITCH_OFF, mtime=ahead))
    site.start_watcher()
    activate(site, "pablo", "p@example.org")

    path = brought_back(site, hidden, "cancel.json")

    gone(site, path)
    settle(site)
    assert site.registry()["pablo"]["status"] == "active"
    assert site.map_lookup("pablo@runv.club") == "p@example.org"


@pytest.mark.parametrize(("earlier", "later"), [("b.json", "a.json"), ("a.json", "b.json")])
def test_files_of_one_member_are_taken_in_the_order_of_their_times(site: Site, earlier: str, later: str) -> None:
    member = newcomer(site)
    now = time.time()
    refused = site.drop(member.name, later, {"destination": "second@example.org"}, mtime=now - 10)
    site.drop(member.name, earlier, {"destination": "first@example.org"}, mtime=now - 20)

    site.start_watcher()

    assert "A request for first@example.org is pending" in refusal(site, member.name, refused)["reason"]


def test_files_of_one_moment_are_taken_in_the_order_of_their_names(site: Site) -> None:
    member = newcomer(site)
    timestamp = float(int(time.time()) - 10)
    refused = site.drop(member.name, "b.json", {"destination": "second@example.org"}, mtime=timestamp)
    site.drop(member.name, "a.json", {"destination": "first@example.org"}, mtime=timestamp)

    site.start_watcher()

    assert "A request for first@example.org is pending" in refusal(site, member.name, refused)["reason"]


def test_what_a_member_wrote_after_switching_off_is_judged_after_it(site: Site) -> None:
    site.accounts.add("pablo")
    first = site.start_watcher()
    activate(site, "pablo", "old@example.org")
    first.stop()
    now = time.time()
    site.drop("pablo", "b.json", SWITCH_OFF, mtime=now)
    site.drop("pablo", "a.json", {"destination": "new@example.org"}, mtime=now + 0.001)

    site.start_watcher()

    record = wait_for(lambda: site.pending("pablo"), site.paths.requests / "pending", what="the request")
    assert record is not None
    assert site.registry()["pablo"]["status"] == "cancelled"
    decide(site, decision(record))
    assert site.map_lookup("pablo@runv.club") == "new@example.org"


def test_of_forty_refusals_the_newest_32_records_are_kept_and_all_are_counted(site: Site) -> None:
    member = newcomer(site)
    now = time.time()

    def drop(number: int) -> Path:
        return site.drop(member.name, f"{number:02d}.json", b"[]", mtime=now - 100 + number)

    paths = [drop(number) for number in range(30)]
    site.start_watcher()
    for path in paths:
        gone(site, path)
    for number in range(30, 40):
        gone(site, drop(number))

    def kept() -> list[Record]:
        return [record for record in site.records("refused") if record["username"] == member.name]

    assert counted(site) == 40
    assert [record["file"] for record in kept()] == [f"{number:02d}.json" for number in range(8, 40)]
    others_go_on(site)
    settle(site)
    assert len(kept()) == 32
