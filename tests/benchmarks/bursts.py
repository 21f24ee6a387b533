"""A thousand members at once: their requests, then the approvals of all of them.

The requests lie ready in another directory and are renamed into the queue one after the other, as fast as that goes.
Watcher and floor are seen in the same way: by the renames of finished records into their folder. For the approvals
there is no floor but a count, of the tables that were renamed into place until the last marker was gone; the worst
round counts. The first round adds a thousand aliases, the later ones change them all, which is more work.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.benchmarks.bench import QUIET_SECONDS, Bench, Ground, bench, member, take_turns, wait_until
from tests.benchmarks.figures import Figure, count, duration, ratio, told
from tests.benchmarks.observer import DELETE, MOVED_TO, Observer
from tests.support.layout import put

MEMBERS = 1000
ROUNDS = 7


def bursts(ground: Ground) -> Iterator[Figure]:
    """A thousand request files, and a thousand markers, renamed into place at once."""
    builds: list[int] = []
    seconds: list[float] = []
    with bench(ground, 10, members=MEMBERS) as both:
        pending, records = both.site.paths.requests / "pending", both.floor.directory / "records"
        with Observer(pending, MOVED_TO) as ours_seen, Observer(records, MOVED_TO) as floor_seen:

            def ours(number: int) -> float:
                staged = _stage_requests(both, number)
                taken = ours_seen.seconds_until(
                    None, lambda: _move(staged, both.site.paths.queue), times=MEMBERS, timeout=120
                )
                wait_until(lambda: not os.listdir(both.site.paths.queue), "an empty queue")
                time.sleep(QUIET_SECONDS)
                found, lasted = _approve_all(both, number)
                builds.append(found)
                seconds.append(lasted)
                time.sleep(QUIET_SECONDS)
                return taken

            def floor(_: int) -> float:
                taken = floor_seen.seconds_until(None, lambda: both.floor.begin(f"loop {MEMBERS}"), times=MEMBERS)
                both.floor.end()
                return taken

            turns = take_turns(ROUNDS, ours, floor)
    yield ratio(f"{MEMBERS:,} requests at once", turns, 2.5)
    yield count(f"{MEMBERS:,} approvals at once: map builds", max(builds), 5)
    yield told(f"{MEMBERS:,} approvals at once: until all are live", duration(median(seconds)))


def _stage_requests(both: Bench, number: int) -> Path:
    staged = both.site.root / "staged"
    staged.mkdir(exist_ok=True)
    data = json.dumps({"destination": f"me{number}@example.org"}).encode()
    for index in range(MEMBERS):
        put(staged / f"{member(index)}-{number}.json", data, 0o600, uid=both.site.accounts[member(index)].uid)
    return staged


def _approve_all(both: Bench, number: int) -> tuple[int, float]:
    """Approve everything that is pending; give how many tables were published, and the seconds until all was done."""
    site = both.site
    staged = site.root / "staged"
    for index, record in enumerate(site.records("pending")):
        decision = {
            "decision": "approve",
            "username": record["username"],
            "request_id": record["request_id"],
            "destination": record["destination"],
            "operator": "root",
        }
        put(staged / f"{number}-{index}.json", json.dumps(decision).encode(), 0o600)
    name = f"{site.paths.map.name}.db"
    with Observer(site.paths.map.parent, MOVED_TO) as tables, Observer(site.paths.decisions, DELETE) as done:
        lasted = done.seconds_until(None, lambda: _move(staged, site.paths.decisions), times=MEMBERS, timeout=120)
        found = tables.seen().count(name)
    active = sum(entry["destination"] == f"me{number}@example.org" for entry in site.registry().values())
    if active != MEMBERS:
        raise AssertionError(f"{MEMBERS} approvals were given and {active} aliases are as approved")
    return found, lasted


def _move(source: Path, target: Path) -> None:
    for name in sorted(os.listdir(source)):
        os.rename(source / name, target / name)
