"""From an approval, or an edit of the registry by hand, to a map that answers.

Both sides are seen in the same way: the new table's rename is awaited by inotify, and then `postmap -q` is asked, as
Postfix would ask it. The clock stops when it has given the new destination. That look costs both sides the same few
milliseconds; the alternative, asking over and over, would cost more than it measures.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks.bench import QUIET_SECONDS, Bench, Ground, alias, bench, member, take_turns, wait_until
from tests.benchmarks.figures import Figure, Turns, ratio
from tests.benchmarks.floor import registry_bytes
from tests.benchmarks.observer import MOVED_TO, Observer

SIZES = (10, 10_000)
ROUNDS = 41


def approvals(ground: Ground) -> Iterator[Figure]:
    """An approval marker is renamed into place: when does the map give the new destination?"""
    for size in SIZES:
        yield ratio(f"approval to live, {size:,} aliases", _turns(ground, size, "approve", _approval), 2.0)


def hand_edits(ground: Ground) -> Iterator[Figure]:
    """A changed registry is renamed into place: when does the map give the new destination?"""
    for size in SIZES:
        yield ratio(f"hand edit to live, {size:,} aliases", _turns(ground, size, "edit", _hand_edit), 1.6)


def _turns(ground: Ground, size: int, order: str, stage: Callable[[Bench, str], Callable[[], None]]) -> Turns:
    with bench(ground, size) as both:
        ours_map, floor_map = both.site.paths.map, both.floor.directory / "map" / "aliases"
        with Observer(ours_map.parent, MOVED_TO) as ours_seen, Observer(floor_map.parent, MOVED_TO) as floor_seen:

            def ours(number: int) -> float:
                destination = f"ours{number}@example.org"
                act = stage(both, destination)
                proof = _answers(both, ours_map, destination)
                seconds = ours_seen.seconds_until(f"{ours_map.name}.db", act, proof=proof)
                wait_until(lambda: not any(_markers(both)), "the marker to be removed")
                time.sleep(QUIET_SECONDS)
                return seconds

            def floor(number: int) -> float:
                destination = f"floor{number}@example.org"
                proof = _answers(both, floor_map, destination)
                act = lambda: both.floor.begin(f"{order} {destination}")  # noqa: E731
                seconds = floor_seen.seconds_until(f"{floor_map.name}.db", act, proof=proof)
                both.floor.end()
                return seconds

            return take_turns(ROUNDS, ours, floor)


def _approval(both: Bench, destination: str) -> Callable[[], None]:
    site, name = both.site, member(0)
    site.drop(name, f"{time.time_ns()}.json", {"destination": destination})
    pending = site.paths.requests / "pending"
    wait_until(lambda: any(pending.glob("[!.]*.json")), "the pending record")
    record = json.loads(next(pending.glob("[!.]*.json")).read_bytes())
    time.sleep(QUIET_SECONDS)
    decision = {
        "decision": "approve",
        "username": name,
        "request_id": record["request_id"],
        "destination": destination,
        "operator": "root",
    }
    return both.stage(site.paths.decisions / f"{time.time_ns()}.json", decision)


def _hand_edit(both: Bench, destination: str) -> Callable[[], None]:
    registry = both.site.registry()
    registry[member(0)]["destination"] = destination
    return both.stage(both.site.paths.registry, registry_bytes(registry))


def _answers(both: Bench, path: Path, destination: str) -> Callable[[], bool]:
    return lambda: both.site.mail.lookup(f"hash:{path}", alias(0)) == destination


def _markers(both: Bench) -> Iterator[Path]:
    return both.site.paths.decisions.glob("[!.]*.json")
