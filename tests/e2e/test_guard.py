"""More than 30 % of the published aliases taken away or redirected at once waits for an administrator."""

import hashlib
import time
from collections.abc import Mapping

from ..support.site import Record, Site
from ..support.waiting import wait_for
from ..support.watcher import RunningWatcher
from .acts import (
    activate,
    ask,
    await_problem,
    await_well,
    decide,
    decision,
    entries,
    entry,
    failure,
    problems,
    publish,
    settle,
    states,
    write_registry,
)

TOLD = (
    "This would take away {removed} and point elsewhere {changed} of 10 published aliases, and no more than 3 of "
    "either are changed unasked. Look at `runv-admin-email-alias sync --dry-run`; if that is meant, run "
    "`runv-admin-email-alias sync --force`. Until then the published map stays as it is."
)


def redirected(count: int) -> dict[str, Record]:
    """Ten aliases, the first *count* of them pointed elsewhere."""
    names = list(entries(10))
    return entries(10) | {name: entry(name, "thief@example.net") for name in names[:count]}


def held_back(site: Site, contents: Mapping[str, Record], message: str) -> None:
    """Write a registry that the guard should hold back, and see that it does."""
    before = states(site.paths.postfix)
    write_registry(site, dict(contents))
    assert await_problem(site, "publish-held") == message
    settle(site)
    assert states(site.paths.postfix) == before


def test_taking_away_more_than_the_limit_is_held_back_until_it_is_forced(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    publish(site, entries(10))

    held_back(site, entries(6), TOLD.format(removed=4, changed=0))
    assert site.map_lookup("member09@runv.club") == "member09@example.org"
    synced = site.admin("sync")
    found = TOLD.format(removed=4, changed=0)
    assert (synced.returncode, synced.stdout, synced.stderr) == (
        1,
        "",
        f"The mail server's map does not follow: {found}\n",
    )
    tried = site.admin("sync", "--dry-run")
    assert (tried.returncode, tried.stderr) == (1, f"{found}\n")

    forced = site.admin("sync", "--force")

    assert (forced.returncode, forced.stderr) == (0, "")
    assert forced.stdout == "The map is in line with the registry: 6 aliases published.\n"
    assert problems(site) == {}
    assert site.map_lookup("member09@runv.club") is None


def test_pointing_more_than_the_limit_elsewhere_is_held_back(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    publish(site, entries(10))

    held_back(site, redirected(4), TOLD.format(removed=0, changed=4))

    assert site.map_lookup("member00@runv.club") == "member00@example.org"
    write_registry(site, entries(10))
    await_well(site)


def test_an_empty_registry_takes_nothing_away(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    publish(site, entries(10))

    held_back(site, {}, TOLD.format(removed=10, changed=0))


def test_a_change_within_the_limit_is_published_at_once(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    publish(site, entries(10))

    publish(site, redirected(3) | {"late": entry("late", "l@example.org")})
    assert site.map_lookup("member02@runv.club") == "thief@example.net"

    names = [*entries(10), "late"]
    publish(site, {name: entry(name, f"{name}@example.org") for name in names[3:]})
    assert site.map_lookup("member02@runv.club") is None
    assert problems(site) == {}


def test_a_map_of_less_than_ten_aliases_has_no_limit(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    publish(site, entries(9))

    publish(site, {})

    assert site.map_lookup("member00@runv.club") is None


def test_the_guard_holds_across_a_restart(site: Site) -> None:
    first = site.start_watcher()
    publish(site, entries(10))
    first.stop()
    write_registry(site, entries(6))

    site.start_watcher()

    assert problems(site) == {"publish-held": TOLD.format(removed=4, changed=0)}
    assert site.map_lookup("member09@runv.club") == "member09@example.org"


def test_force_holds_for_the_registry_that_it_was_asked_for(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    publish(site, entries(10))
    held_back(site, entries(6), TOLD.format(removed=4, changed=0))
    seen = hashlib.sha256(site.paths.registry.read_bytes()).hexdigest()
    held_back(site, entries(5), TOLD.format(removed=4, changed=0))

    identifier = decide(site, {"decision": "sync", "force": True, "registry_sha256": seen})

    assert failure(site, identifier)["reason"] == (
        "The registry changed since the forced sync was asked for. Look at `runv-admin-email-alias sync --dry-run` and "
        "repeat `runv-admin-email-alias sync --force`."
    )
    assert site.map_lookup("member09@runv.club") == "member09@example.org"
    assert list(problems(site)) == ["publish-held"]


def test_what_was_decided_one_by_one_needs_no_force(site: Site) -> None:
    """Four of ten cancelled or revoked, and four redirected, while the watcher was down: all in one publish."""
    names = list(entries(10))
    site.accounts.add_many(names)
    first = site.start_watcher()
    publish(site, entries(10))
    records = [ask(site, name, "new@example.net") for name in names[:4]]
    first.stop()
    now = time.time()
    markers = [site.drop_marker(decision(record)) for record in records]
    markers += [site.drop_marker({"decision": "revoke", "username": name, "reason": "No."}) for name in names[4:6]]
    for name in names[6:8]:
        site.drop(name, f"{name}.json", {"action": "cancel", "scope": "active"}, mtime=now)

    site.start_watcher()

    wait_for(lambda: not any(marker.exists() for marker in markers), site.paths.decisions, what="the decisions")
    await_well(site)
    found = [site.map_lookup(f"{name}@runv.club") for name in names]
    assert found == ["new@example.net"] * 4 + [None] * 4 + ["member08@example.org", "member09@example.org"]


def test_a_decision_is_published_only_when_what_was_held_back_is(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    site.accounts.add("pablo")
    publish(site, entries(10))
    held_back(site, entries(6), TOLD.format(removed=4, changed=0))

    activate(site, "pablo", "p@example.org")

    assert site.registry()["pablo"]["status"] == "active"
    assert site.map_lookup("pablo@runv.club") is None
    assert site.admin("sync", "--force").returncode == 0
    assert site.map_lookup("pablo@runv.club") == "p@example.org"
