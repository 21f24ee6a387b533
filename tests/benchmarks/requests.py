"""From a member's request file to its pending record, one request at a time.

Both sides end with the removal of the request file, which follows the durable record: that is what is awaited.
"""

import time
from collections.abc import Iterator

from tests.benchmarks.bench import QUIET_SECONDS, WARM_UP_TURNS, Ground, bench, member, take_turns
from tests.benchmarks.figures import Figure, difference
from tests.benchmarks.observer import DELETE, Observer
from tests.support.layout import put

ROUNDS = 41


def single_requests(ground: Ground) -> Iterator[Figure]:
    """A request file is renamed into the queue: when is its record durable, and the file gone?"""
    turns = WARM_UP_TURNS + ROUNDS
    with bench(ground, 10, members=turns) as both:
        queue, requests = both.site.paths.queue, both.floor.directory / "requests"
        with Observer(queue, DELETE) as ours_seen, Observer(requests, DELETE) as floor_seen:

            def ours(number: int) -> float:
                name = f"{time.time_ns()}.json"
                act = both.stage(queue / name, {"destination": "me@example.org"}, account=member(number))
                seconds = ours_seen.seconds_until(name, act)
                time.sleep(QUIET_SECONDS)
                return seconds

            def floor(number: int) -> float:
                name = f"{number}.json"
                put(requests / name, b"{}", 0o600)
                seconds = floor_seen.seconds_until(name, lambda: both.floor.begin(f"record {name}"))
                both.floor.end()
                return seconds

            turns_taken = take_turns(ROUNDS, ours, floor)
            pending = len(both.site.records("pending"))
            if pending != turns:
                raise AssertionError(f"{turns} requests were made and {pending} are pending")
    yield difference("request to pending record", turns_taken, 0.003)
