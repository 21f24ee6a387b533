"""Killed at any moment, the watcher loses nothing, repeats nothing, and leaves nothing half made behind."""

import os
import random
from collections.abc import Iterator

from ..support.site import Record, Site
from .acts import decision, entries, entry, settle, write_registry

FOLDERS = ("pending", "approved", "rejected", "cancelled", "refused")
ROUNDS = 6


def after_changes(site: Site, count: int) -> None:
    """Return when the files of the server have been seen to change *count* times, or everything is done."""
    looks = iter(range(count))

    def look() -> bool:
        return next(looks, None) is None or not (os.listdir(site.paths.queue) or markers(site))

    site.wait_for(look, what="some changes")


def markers(site: Site) -> list[str]:
    """The decisions that wait."""
    return [name for name in os.listdir(site.paths.decisions) if name != "failed"]


def temporaries(site: Site) -> Iterator[str]:
    """The unfinished files of any directory."""
    for directory in site.paths.directories:
        yield from (name for name in os.listdir(directory) if name.startswith("."))


def found(site: Site) -> dict[str, list[str]]:
    """The folders in which each request is."""
    places: dict[str, list[str]] = {}
    for folder in FOLDERS:
        for record in site.records(folder):
            assert record["status"] == folder
            places.setdefault(record["client_id"], []).append(folder)
    return places


def test_a_watcher_that_is_killed_again_and_again_loses_and_repeats_nothing(site: Site) -> None:
    seed = random.randrange(1_000_000)  # noqa: S311
    print(f"To see the same again, set the seed to {seed}.")  # noqa: T201
    chance = random.Random(seed)  # noqa: S311
    names = list(entries(8 * ROUNDS))
    site.accounts.add_many(names)
    # Ten that nobody asks about, so that the guard is on its guard.
    write_registry(site, {f"old{number}": entry(f"old{number}", "old@example.org") for number in range(10)})
    watcher = site.start_watcher()

    for number in range(ROUNDS):
        approvals = [decision(record) for record in site.records("pending")]
        for name in names[8 * number : 8 * number + 8]:
            site.drop(name, f"{name}.json", {"destination": f"{name}@example.org", "request_id": name})
            if approvals and chance.random() < 0.8:
                site.drop_marker(approvals.pop())
            if chance.random() < 0.2:
                site.drop(name, f"{name}-again.json", {"destination": "x@example.org", "request_id": f"{name}-again"})
        after_changes(site, chance.randrange(2, 40))
        watcher.kill()
        watcher = site.start_watcher()

    settle(site)
    for record in site.records("pending"):
        site.drop_marker(decision(record))
    site.wait_for(lambda: not markers(site), what="every decision to be applied")
    settle(site)

    places = found(site)
    assert set(names) <= set(places)
    assert {name: where for name, where in places.items() if len(where) != 1} == {}
    assert {where[0] for name, where in places.items() if not name.endswith("-again")} == {"approved"}
    assert {where[0] for name, where in places.items() if name.endswith("-again")} <= {"refused"}
    registry: dict[str, Record] = site.registry()
    assert sorted(registry) == sorted([*names, *(f"old{number}" for number in range(10))])
    rows = dict(map(_row, site.paths.map.read_text().splitlines()))
    assert rows == {entry["alias"]: entry["destination"] for entry in registry.values()}
    dumped = site.mail.run("postmap", "-s", site.table).stdout.splitlines()
    assert dict(map(_row, dumped)) == rows
    assert site.failed() == []
    assert list(temporaries(site)) == []
    assert site.status()["problems"] == []


def _row(line: str) -> tuple[str, str]:
    alias, _, destination = line.partition("\t")
    return alias, destination
