"""A clock that jumps by days, forward and back: nobody waits for it, is locked out by it, or speaks again by it."""

import os
import secrets
import time
from pathlib import Path

import pytest

from schemas.request import REFUSED_KEPT, RequestRecord
from schemas.times import stamp
from watcher.records import ReplayRule

from ..e2e.acts import (
    activate,
    ask,
    await_problem,
    await_well,
    decide,
    decision,
    entries,
    publish,
    script,
    settle,
    write_registry,
)
from ..e2e.queue_site import refusal
from ..support.layout import put
from ..support.site import Record, Site
from ..support.waiting import wait_for
from ..watcher.server import Server

REAL = "/usr/sbin/postmap"
DAY = 86_400
SECOND_NS = 1_000_000_000


SHIFTED = """
import os, time

def shifted(real, unit):
    def call():
        with open(os.environ["CLOCK_SHIFT"]) as file:
            return real() + int(file.read()) * unit
    return call

time.time = shifted(time.time, 1)
time.time_ns = shifted(time.time_ns, 1_000_000_000)
"""
"""Only the watcher's own idea of the time is shifted: whoever set this machine's clock would do so for everybody."""


class Clock:
    """The watcher's clock; that of file times, and the one that nobody sets, stay the kernel's.

    So, with the clock set back, what members do now seems to be made before it was; their files have to be dated back.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self.days = 0
        self.jump(0)
        put(directory / "sitecustomize.py", SHIFTED.encode(), 0o644)

    def jump(self, days: int) -> None:
        """Set the clock *days* from where it is."""
        self.days += days
        put(self._directory / "shift", f"{self.days * DAY}\n".encode(), 0o644)

    @property
    def now(self) -> float:
        """What the watcher takes for the present moment."""
        return time.time() + self.days * DAY

    def environment(self) -> dict[str, str]:
        """What the watcher must be started with to have this clock."""
        return {"PYTHONPATH": str(self._directory), "CLOCK_SHIFT": str(self._directory / "shift")}


@pytest.fixture
def clock(site: Site) -> Clock:
    return Clock(site.root / "clock")


def start(site: Site, clock: Clock) -> None:
    site.start_watcher(env=clock.environment())


def ask_now(site: Site, clock: Clock, name: str, destination: str) -> Record:
    """Have the member ask at the watcher's present moment; return the pending record."""
    site.drop(name, f"{secrets.token_hex(4)}.json", {"destination": destination}, mtime=clock.now)
    folder = site.paths.requests / "pending"
    return wait_for(lambda: site.pending(name), folder, what=f"the pending request of {name}") or {}


def withdraw_now(site: Site, clock: Clock, name: str) -> None:
    site.drop(name, "withdraw.json", {"action": "cancel"}, mtime=clock.now)
    wait_for(lambda: site.pending(name) is None, site.paths.requests / "pending", what="the request to be withdrawn")


def test_what_is_tried_again_by_the_clock_does_not_wait_for_one_that_is_set_back(site: Site, clock: Clock) -> None:
    program = script(site.root / "bin" / "postmap", f'exec {REAL} "$@"')
    site.configure(postmap_command=[str(program)])
    start(site, clock)
    publish(site, entries(2))
    script(program, "exit 1")
    write_registry(site, entries(3))
    await_problem(site, "publish-failed")

    clock.jump(-10)

    script(program, f'exec {REAL} "$@"')
    await_well(site, timeout=30)
    assert site.map_lookup("member02@runv.club") == "member02@example.org"


def test_a_file_that_is_being_written_has_its_time_though_the_clock_is_set_ahead(site: Site, clock: Clock) -> None:
    site.accounts.add("pablo")
    start(site, clock)
    path = site.drop("pablo", "ask.json", b'{"destination": ')
    settle(site)

    clock.jump(5)

    with path.open("ab") as file:
        file.write(b'"p@exam')
    settle(site)
    assert site.records("refused") == []
    with path.open("ab") as file:
        file.write(b'ple.org"}')
    wait_for(lambda: site.pending("pablo"), site.paths.requests / "pending", what="the request")


def test_a_file_that_looks_old_since_the_clock_was_set_ahead_is_refused_in_words_and_may_be_sent_again(
    site: Site, clock: Clock
) -> None:
    site.accounts.add("pablo")
    start(site, clock)
    clock.jump(10)

    refused = refusal(site, "pablo", site.drop("pablo", "ask.json", {"destination": "p@example.org"}))

    assert refused["reason"] == "The file is more than 7 days old. If you still want this, ask again."
    assert ask_now(site, clock, "pablo", "p@example.org")["destination"] == "p@example.org"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_is_set_back_locks_nobody_out_and_brings_no_old_file_back(
    site: Site, clock: Clock, restarted: bool
) -> None:
    site.accounts.add_many(["pablo", "maria"])
    start(site, clock)
    # Written by a clock that was right, and moved away before it was seen.
    moved_away = site.paths.state / "moved-away.json"
    os.rename(
        site.drop("pablo", ".old.json", {"destination": "old@example.org"}, mtime=time.time() - 10 * DAY - 60),
        moved_away,
    )
    clock_was_wrong = ask(site, "pablo", "p@example.org")
    site.drop("pablo", "cancel.json", {"action": "cancel"})
    wait_for(lambda: site.pending("pablo") is None, site.paths.requests / "pending", what="the cancel")
    activate(site, "maria", "m@example.org")

    clock.jump(-10)
    if restarted:
        site.watchers[-1].kill()
        start(site, clock)

    back = site.paths.queue / "old.json"
    os.rename(moved_away, back)
    reason = "The file is older than one of yours that was taken in before. If you still want this, ask again."
    assert refusal(site, "pablo", back)["reason"] == reason
    again = ask_now(site, clock, "pablo", "p2@example.org")
    assert again["request_id"] < clock_was_wrong["request_id"]
    withdraw_now(site, clock, "pablo")
    third = ask_now(site, clock, "pablo", "p3@example.org")
    assert again["request_id"] < third["request_id"]
    decide(site, decision(third))
    assert [site.map_lookup(f"{name}@runv.club") for name in ("pablo", "maria")] == ["p3@example.org", "m@example.org"]


def test_a_file_from_before_the_clock_was_set_back_is_taken_in_and_so_are_later_ones(site: Site, clock: Clock) -> None:
    site.accounts.add("pablo")
    start(site, clock)
    clock.jump(-10)

    ask(site, "pablo", "p@example.org")
    withdraw_now(site, clock, "pablo")
    assert ask_now(site, clock, "pablo", "p2@example.org")["destination"] == "p2@example.org"


# What takes more than a shifted clock, in this process


class Times:
    """The two clocks, in seconds."""

    def __init__(self) -> None:
        self.wall = 1_000_000_000
        self.steady = 5_000

    def pass_by(self, seconds: int) -> None:
        self.wall += seconds
        self.steady += seconds

    def replay_rule(self) -> ReplayRule:
        return ReplayRule(lambda: self.wall * SECOND_NS, lambda: self.steady * SECOND_NS)

    def stamp(self, ago: int = 0) -> str:
        return stamp((self.wall - ago) * SECOND_NS)


def test_an_earlier_moment_does_not_lower_the_floor_nor_does_a_clock_that_is_right() -> None:
    times = Times()
    replay_rule = times.replay_rule()
    replay_rule.note("pablo", times.stamp(ago=10))
    replay_rule.note("pablo", times.stamp(ago=20))
    times.pass_by(3 * DAY)
    replay_rule.check_clocks()
    assert (replay_rule.of("pablo"), replay_rule.of("maria")) == (times.stamp(ago=3 * DAY + 10), "")


def test_a_clock_set_back_lowers_the_floors_above_the_last_look_to_that_and_no_others() -> None:
    times = Times()
    replay_rule = times.replay_rule()
    replay_rule.note("maria", times.stamp())
    times.pass_by(60)
    times.wall += 30 * DAY
    replay_rule.note("pablo", times.stamp())
    times.pass_by(60)
    times.wall -= 30 * DAY
    replay_rule.check_clocks()
    assert (replay_rule.of("pablo"), replay_rule.of("maria")) == (times.stamp(ago=60), times.stamp(ago=120))
    times.wall += 30 * DAY
    replay_rule.check_clocks()
    assert replay_rule.of("maria") == times.stamp(ago=30 * DAY + 120)


def test_a_moment_to_come_counts_as_the_present_one() -> None:
    times = Times()
    replay_rule = times.replay_rule()
    replay_rule.note("pablo", times.stamp(ago=-DAY))
    assert replay_rule.of("pablo") == times.stamp()


def test_a_file_made_before_the_clock_was_set_back_and_moved_after_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path)
    made = int(time.time()) + 10 * DAY
    monkeypatch.setattr("schemas.fs.pinned.birth_ns", lambda fd: made * SECOND_NS)
    server.request(mtime=made)

    server.intake.take()

    (refused,) = server.found("refused")
    assert refused["reason"] == ("The file's time lies in the future. Set it to the present (touch) and send it again.")


def test_the_refusals_that_are_kept_are_not_all_of_the_time_before_the_clock_was_set_back(tmp_path: Path) -> None:
    server = Server(tmp_path)
    for number in range(REFUSED_KEPT):
        server.records.add(refused_at(f"20990101T0000{number:02}.000000Z"), server.people.gid)
    server.records.add(refused_at("20260101T000000.000000Z"), server.people.gid)

    server.records.prune_refused("pablo")

    kept = [record["request_id"][:4] for record in server.found("refused")]
    assert (len(kept), kept.count("2026")) == (REFUSED_KEPT, 1)


def refused_at(timestamp: str) -> RequestRecord:
    return RequestRecord(
        request_id=f"{timestamp}-pablo-0123456789", username="pablo", uid=1, alias="pablo@runv.club", status="refused",
        file="ask.json", created_at="2026-05-19T20:55:18Z",
    )  # fmt: skip
