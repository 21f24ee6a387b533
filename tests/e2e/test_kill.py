"""Killed at any moment, the watcher loses nothing, repeats nothing, and leaves nothing half made behind."""

import os
import random
import signal
from collections.abc import Iterator
from hashlib import sha256

from ..support.layout import put
from ..support.site import Record, Site
from .acts import decision, entries, entry, published, settle, write_registry

FOLDERS = ("pending", "approved", "rejected", "cancelled", "refused")
ROUNDS = 4


STEPS = 20
"""More than the watcher needs for what it is given below."""

BEFORE_A_STEP = """
import os, signal, sys

left = int(os.environ["KILL_BEFORE_STEP"])

def hook(event, arguments):
    global left
    if event == "os.rename":
        name, directory = arguments[1], arguments[3]
    elif event == "os.remove":
        name, directory = arguments
    else:
        return
    if directory != -1 and not os.path.basename(os.fsdecode(name)).startswith("."):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
"""
"""Python itself tells of a rename or removal before it is made; those of temporary files are no steps."""


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


def killed_before(site: Site, step: int) -> bool:
    """Run one pass and kill it before that step; say whether it came so far."""
    hooks = site.root / "hooks"
    hooks.mkdir(exist_ok=True)
    put(hooks / "sitecustomize.py", BEFORE_A_STEP.encode(), 0o644)
    environment = {"PYTHONPATH": str(hooks), "KILL_BEFORE_STEP": str(step)}
    status = site.spawn_watcher("--once", env=environment).wait_exit()
    assert status in {0, -signal.SIGKILL}
    return status != 0


def folders_of(site: Site, name: str) -> list[str]:
    """Where the records of one member are."""
    return [folder for folder in FOLDERS for record in site.records(folder) if record["username"] == name]


def many_pending(site: Site, names: list[str]) -> dict[str, Record]:
    """Have each of them ask, in one pass, and return the records."""
    for name in names:
        site.drop(name, f"{name}.json", {"destination": f"{name}@example.org"})
    assert site.spawn_watcher("--once").wait_exit() == 0
    return {record["username"]: record for record in site.records("pending")}


def test_a_watcher_that_is_killed_before_any_of_its_steps_goes_on_where_it_was(site: Site) -> None:
    """In one pass a request comes in, an approval is applied, and an alias is switched off by its member."""
    asking, waiting, leaving = ([f"{what}{step:02d}" for step in range(STEPS)] for what in ("ask", "wait", "leave"))
    site.accounts.add_many([*asking, *waiting, *leaving])
    write_registry(site, {name: entry(name, f"{name}@example.org") for name in leaving})
    records = many_pending(site, waiting)

    for step, (asks, waits, leaves) in enumerate(zip(asking, waiting, leaving, strict=True), 1):
        site.drop(asks, "ask.json", {"destination": f"{asks}@example.org"})
        site.drop(leaves, "leave.json", {"action": "cancel", "scope": "active"})
        marker = site.drop_marker(decision(records[waits]))
        killed = killed_before(site, step)
        if not marker.exists():
            # That it is gone means that the status tells its outcome.
            assert published(site) == sha256(site.paths.registry.read_bytes()).hexdigest()
        if not killed:
            break

        assert site.spawn_watcher("--once").wait_exit() == 0
        assert not marker.exists()
        assert os.listdir(site.paths.queue) == []
        assert list(temporaries(site)) == []
        found = [folders_of(site, name) for name in (asks, waits, leaves)]
        assert found == [["pending"], ["approved"], ["cancelled"]]
        registry = site.registry()
        assert (registry[waits]["status"], registry[leaves]["status"]) == ("active", "cancelled")
        assert site.map_lookup(f"{waits}@runv.club") == f"{waits}@example.org"
        assert site.map_lookup(f"{leaves}@runv.club") is None
        assert site.failed() == []

    assert 10 < step < STEPS


def test_a_member_who_withdraws_after_a_kill_withdraws_nothing_that_was_approved(site: Site) -> None:
    waiting = [f"wait{step:02d}" for step in range(STEPS)]
    site.accounts.add_many(waiting)
    records = many_pending(site, waiting)

    for step, name in enumerate(waiting, 1):
        site.drop_marker(decision(records[name]))
        if not killed_before(site, step):
            break
        approved = name in site.registry()

        site.drop(name, "cancel.json", {"action": "cancel"})
        assert site.spawn_watcher("--once").wait_exit() == 0

        assert (name in site.registry()) == approved
        assert folders_of(site, name) == (["approved", "refused"] if approved else ["cancelled", "cancelled"])
        assert (site.map_lookup(f"{name}@runv.club") is not None) == approved

    assert 5 < step < STEPS
