"""What others notice while one member drops a hundred thousand things as fast as that goes.

Another member's request is renamed into the queue, and is awaited as a pending record; it is approved, and the approval
is awaited as an answer of `postmap -q`. Then the next member asks, and so on, from the first file of the flood until
its last one has been dealt with, or for as long as `SECONDS`. The worst of each counts, not the median.
"""

import json
import os
import time
from collections.abc import Iterator

from tests.benchmarks.bench import Bench, Ground, alias, bench, member
from tests.benchmarks.figures import Figure, count
from tests.benchmarks.observer import MOVED_TO, Observer
from tests.support.flooder import flood

COUNT = 100_000
SECONDS = 45.0
OTHERS = 1000
PAUSE = 0.05
FLOODS = {
    "requests": ("requests",),
    "hidden files": ("hidden",),
    "all sorts": ("requests", "turns", "rubbish", "halves", "rewrites", "hidden", "storm", "directories"),
}


def fairness(ground: Ground) -> Iterator[Figure]:
    """The worst that others and the machine met with, for each kind of flood."""
    for name, kinds in FLOODS.items():
        yield from _flooded(ground, f"{COUNT:,} {name}", kinds)


def _flooded(ground: Ground, name: str, kinds: tuple[str, ...]) -> Iterator[Figure]:
    pending: list[float] = []
    live: list[float] = []
    with bench(ground, 0, members=OTHERS) as both:
        site, lines = both.site, len(both.watcher.log.splitlines())
        with (
            Observer(site.paths.requests / "pending", MOVED_TO) as records,
            Observer(site.paths.map.parent, MOVED_TO) as tables,
            flood(site, member(0), COUNT, kinds) as dropping,
        ):
            begun = time.monotonic()
            for number in range(1, OTHERS):
                pending.append(_ask(both, records, number))
                live.append(_approve(both, tables, number))
                through = dropping.poll() is not None and site.status()["refused"] >= COUNT - 1
                if through or time.monotonic() - begun > SECONDS:
                    break
                time.sleep(PAUSE)
        yield count(f"{name}: another's request to pending", _rounded(max(pending)), 1, " s")
        yield count(f"{name}: an approval to live", _rounded(max(live)), 1, " s")
        yield count(f"{name}: peak memory", round(both.watcher.peak_memory(), 1), 100, " MiB")
        yield count(f"{name}: refused records", len(os.listdir(site.paths.requests / "refused")), 32)
        message = both.watcher.log.splitlines()[lines:]
        yield count(f"{name}: journal lines", sum(not _timed(line) for line in message), 20)


def _ask(both: Bench, records: Observer, number: int) -> float:
    site, name = both.site, member(number)
    act = both.stage(site.paths.queue / f"{name}.json", {"destination": "me@example.org"}, account=name)
    return records.seconds_until(None, act, proof=lambda: site.pending(name) is not None)


def _approve(both: Bench, tables: Observer, number: int) -> float:
    site, name = both.site, member(number)
    record = site.pending(name)
    if record is None:
        raise AssertionError(f"the request of {name} is not pending any more")
    shown = {key: record[key] for key in ("username", "request_id", "destination")}
    marker = json.dumps({"decision": "approve", **shown, "operator": "root"}).encode()
    act = both.stage(site.paths.decisions / f"{time.time_ns()}.json", marker)
    return tables.seconds_until(None, act, proof=lambda: site.map_lookup(alias(number)) == "me@example.org")


def _timed(line: str) -> bool:
    """Whether it tells of a request or an approval that was timed, which is not the flood's."""
    return member(0) not in line and line.startswith(("INFO: Request ", "INFO: Decision ", "INFO: Published "))


def _rounded(seconds: float) -> float:
    return round(seconds, 2)
