"""Killed before each of its renames and removals, one after the other, the watcher goes on where it was."""

import json
import os
import random
import signal
from collections.abc import Iterator

import pytest

from ..e2e.acts import decision, entry, published, write_registry
from ..support.layout import FOLDERS, put
from ..support.site import Record, Site
from . import audit

pytestmark = pytest.mark.needs("root", "accounts", "postfix-hash")

STEPS = 30
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


def some_steps() -> range:
    """Every other one, by chance the first or the second of each two: each costs two starts of the watcher."""
    return range(random.choice((1, 2)), STEPS, 2)  # noqa: S311


def temporaries(site: Site) -> Iterator[str]:
    """The unfinished files of any directory."""
    for directory in site.paths.directories:
        yield from (name for name in os.listdir(directory) if name.startswith("."))


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
    """In one pass a request comes in, an alias is switched off by its member, and of what is decided about another
    request only the last holds."""
    steps = some_steps()
    asking, waiting, leaving = ([f"{what}{step:02d}" for step in steps] for what in ("ask", "wait", "leave"))
    site.accounts.add_many([*asking, *waiting, *leaving])
    write_registry(site, {name: entry(name, f"{name}@example.org") for name in leaving})
    records = many_pending(site, waiting)

    for step, asks, waits, leaves in zip(steps, asking, waiting, leaving, strict=True):
        site.drop(asks, "ask.json", {"destination": f"{asks}@example.org"})
        site.drop(leaves, "leave.json", {"action": "cancel", "scope": "active"})
        early = site.drop_marker({"decision": "revoke", "username": waits}).stem
        wrong = site.drop_marker(decision(records[waits]) | {"destination": "other@example.org"}).stem
        marker = site.drop_marker(decision(records[waits]))
        told_before = published(site)
        killed = killed_before(site, step)
        if not marker.exists():
            # That it is gone means that its outcome is live, and told by the status.
            assert site.map_lookup(f"{waits}@runv.club") == f"{waits}@example.org"
            assert published(site) != told_before
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
        assert {failed["decision_id"] for failed in site.failed()} >= {early, wrong}
        assert registry[waits]["updated_by"] == marker.stem
        (approved,) = (record for record in site.records("approved") if record["username"] == waits)
        assert approved["decision_id"] == marker.stem
        fields = {(line["what"], line["decision_id"]) for line in audit.told(site)[0] if "decision_id" in line}
        assert {what for what, identifier in fields if identifier in {early, wrong}} == {"failed"}
    else:
        raise AssertionError("it was killed at every step, so there are more")

    assert step > 15
    assert len(site.failed()) == 2 * (steps.index(step) + 1)


def test_a_member_who_withdraws_after_a_kill_withdraws_nothing_that_was_approved(site: Site) -> None:
    steps = some_steps()
    waiting = [f"wait{step:02d}" for step in steps]
    site.accounts.add_many(waiting)
    records = many_pending(site, waiting)

    for step, name in zip(steps, waiting, strict=True):
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


def test_what_was_recorded_before_a_kill_is_told_by_the_log_though_its_file_was_taken_back(site: Site) -> None:
    site.accounts.add_many(["ana", "pablo"])
    many_pending(site, ["ana"])
    log = site.paths.state / audit.NAME
    # Rotated away: the record is in place before the second step, with which the log is made that tells of it.
    log.rename(log.with_name(audit.ROTATED))
    file = site.drop("pablo", "pablo.json", {"destination": "p@example.org"})
    assert killed_before(site, 2)
    record = site.pending("pablo")
    assert record is not None
    assert not log.exists()

    file.unlink()
    for _ in range(2):
        assert site.spawn_watcher("--once").wait_exit() == 0

    message = [line["request_id"] for line in audit.told(site)[0] if line["what"] == "accepted"]
    assert sorted(message) == sorted(found["request_id"] for found in site.records("pending"))
    assert record["request_id"] in message


def test_what_a_kill_left_half_written_goes_though_nobody_asks_for_it_any_more(site: Site) -> None:
    # Those before which the record, the failed decision and the registry are there under their temporary names.
    steps = (1, 3, 4)
    names = [f"{what}{step}" for step in steps for what in ("ask", "wait")]
    site.accounts.add_many(names)
    records = many_pending(site, names[1::2])
    left: set[str] = set()

    for step in steps:
        site.drop(f"ask{step}", "ask.json", {"destination": "ask@example.org"})
        site.drop_marker(decision(records[f"wait{step}"]))
        site.drop_marker({"decision": "revoke", "username": "nobody"})
        assert killed_before(site, step)
        left |= {path.parent.name for directory in site.paths.directories for path in directory.glob(".*.tmp")}
        for directory in (site.paths.queue, site.paths.decisions):
            for path in directory.glob("*.json"):
                path.unlink()

        assert site.spawn_watcher("--once").wait_exit() == 0
        assert list(temporaries(site)) == []

    assert left >= {"pending", "failed", site.paths.state.name}


def test_an_alias_that_is_switched_off_because_its_account_is_gone_is_told_of_once_whatever_is_killed(
    site: Site,
) -> None:
    steps = range(1, 7)
    members = {name: entry(name, f"{name}@example.org") for name in ("ana", "eva", "gil")}
    # Of each step one has no account, as after an edit by hand; the account files themselves are left alone.
    nobodies = {f"nobody{step}": entry(f"nobody{step}", "n@example.org", uid=4_000_000) for step in range(7)}
    site.accounts.name(members)
    put(site.paths.registry, json.dumps(members | {"nobody0": nobodies["nobody0"]}).encode(), 0o640)
    first = site.start_watcher()
    site.wait_for(lambda: site.registry()["nobody0"]["status"] == "orphaned", what="the files to count as finished")
    first.stop()
    log = site.paths.state / audit.NAME
    late = []

    for step in steps:
        name = f"nobody{step}"
        put(site.paths.registry, json.dumps(site.registry() | {name: nobodies[name]}).encode(), 0o640)
        # Rotated away, so that there is a step between the registry and the line: the log is made.
        with log.with_name(audit.ROTATED).open("ab") as rotated:
            rotated.write(log.read_bytes())
        log.unlink()
        killed = killed_before(site, step)
        message = [line for line in audit.told(site)[0] if line.get("username") == name]
        if site.registry()[name]["status"] == "orphaned" and not message:
            late.append(step)

        for _ in range(2):
            assert site.spawn_watcher("--once").wait_exit() == 0

        found = site.registry()[name]
        assert (found["status"], found["reason"]) == ("orphaned", f"There is no account {name}.")
        assert site.map_lookup(f"{name}@runv.club") is None
        assert list(temporaries(site)) == []
        (line,) = (line for line in audit.told(site)[0] if line.get("username") == name)
        assert (line["what"], line["decision_id"]) == ("orphaned", found["updated_by"])
        if not killed:
            break
    else:
        raise AssertionError("it was killed at every step, so there are more")

    assert late
    assert {name for name, found in site.registry().items() if found["status"] == "active"} == set(members)
