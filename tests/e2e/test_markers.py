"""Markers that are none, and markers that have to wait: nothing is lost, nothing is applied by half."""

import fcntl
import json
import os
from collections.abc import Iterator

import pytest

from ..support.install import Installation
from ..support.layout import put
from ..support.needs import require
from ..support.site import Record, Site
from ..support.waiting import wait_for
from ..support.watcher import RunningWatcher
from .acts import (
    activate,
    ask,
    await_problem,
    await_well,
    decision,
    entry,
    failure,
    problems,
    settle,
    write_registry,
)


@pytest.fixture(autouse=True)
def _pablo(site: Site) -> None:
    site.accounts.add("pablo")


WRONG: dict[str, tuple[bytes, str]] = {
    "a list": (b"[]", "It is JSON, but not an object: a list was found."),
    "nothing": (b"{}", "Object missing required field `decision`."),
    "an unknown decision": (b'{"decision": "promote"}', "Invalid enum value 'promote' - at `$.decision`."),
    "an unknown field": (b'{"decision": "sync", "now": true}', "Object contains unknown field `now`."),
    "a key twice": (
        b'{"decision": "revoke", "username": "eve", "username": "pablo"}',
        "The key `username` stands twice.",
    ),
    "nobody": (b'{"decision": "revoke"}', "The decision `revoke` needs a `username`."),
    "an approval of anything": (
        b'{"decision": "approve", "username": "pablo"}',
        "An approval needs the `request_id` and the `destination` that were seen.",
    ),
    "force for any registry": (
        b'{"decision": "sync", "force": true}',
        "A forced `sync` needs the `registry_sha256` that it holds for.",
    ),
    "too large": (
        b'{"decision": "sync"}'.ljust(16 * 1024 + 1),
        "The marker cannot be read: {path} holds more than 16384 octets.",
    ),
}


@pytest.fixture(scope="module")
def lasting(installation: Installation) -> Iterator[Site]:
    """One server for the markers that are none."""
    require("root", "accounts", "postfix", "postfix-hash")
    with Site(installation) as site:
        site.accounts.add("pablo")
        site.start_watcher()
        activate(site, "pablo", "p@example.org")
        yield site


@pytest.mark.parametrize("case", WRONG)
def test_a_marker_that_is_no_decision_is_kept_with_the_reason(lasting: Site, case: str) -> None:
    site = lasting
    data, reason = WRONG[case]
    name = case.replace(" ", "-")
    path = site.paths.decisions / f"{name}.json"

    put(path, data, 0o600)

    wait_for(lambda: not path.exists(), site.paths.decisions, what="the marker to be set aside")
    (found,) = (each for each in site.failed() if each["decision_id"] == name)
    assert found["reason"] == reason.format(path=path)
    assert found["marker"] == ("" if case == "too large" else data.decode())
    assert site.map_lookup("pablo@runv.club") == "p@example.org"


def test_a_marker_that_never_becomes_whole_is_kept_with_the_reason(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    path = site.paths.decisions / "cut.json"

    put(path, b'{"decision": "rev\x1b', 0o600)

    settle(site)
    assert path.exists()
    wait_for(lambda: not path.exists(), site.paths.decisions, what="the marker to be set aside")
    found = failure(site, "cut")
    assert found["reason"].startswith("It is not JSON: ")
    assert found["marker"] == '{"decision": "rev\\x1b'


def test_a_marker_that_does_not_belong_to_root_decides_nothing(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    record = ask(site, "pablo", "p@example.org")
    path = site.paths.decisions / "own.json"

    put(path, json.dumps(decision(record)).encode(), 0o600, uid=record["uid"])

    wait_for(lambda: not path.exists(), site.paths.decisions, what="the marker to be set aside")
    assert failure(site, "own")["reason"] == (
        f"The marker belongs to uid {record['uid']}; only root decides. Look how it came into a directory of mode 0700."
    )
    assert site.registry() == {}
    assert site.pending("pablo") == record


def test_a_marker_with_a_bad_name_decides_nothing_and_one_that_is_hidden_is_left(
    site: Site, watcher: RunningWatcher
) -> None:
    assert watcher.running
    marker = decision(ask(site, "pablo", "p@example.org"))
    hidden = site.drop_marker(marker, filename=".hidden.json")

    path = site.drop_marker(marker, filename="a b.json")

    wait_for(lambda: not path.exists(), site.paths.decisions, what="the marker to be set aside")
    (found,) = site.failed()
    assert found["decision_id"] == "a b"
    assert found["reason"] == (
        "The marker's name was not accepted: letters, digits, '.', '_', '-' and '.json' were expected."
    )
    assert hidden.exists()
    assert site.registry() == {}


def test_a_decision_about_a_broken_registry_waits_until_it_is_mended(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    record = ask(site, "pablo", "p@example.org")
    write_registry(site, b"{broken")
    found = await_problem(site, "registry-broken")
    assert found.startswith(f"The registry {site.paths.registry} cannot be used. It was expected to be a JSON object ")

    marker = site.drop_marker(decision(record))
    settle(site)

    assert marker.exists()
    assert site.paths.registry.read_bytes() == b"{broken"
    assert site.pending("pablo") == record

    write_registry(site, {"maria": entry("maria", "m@example.org")})

    wait_for(lambda: not marker.exists(), site.paths.decisions, what="the decision to be applied")
    assert list(site.registry()) == ["maria", "pablo"]
    assert [site.map_lookup(f"{name}@runv.club") for name in ("maria", "pablo")] == ["m@example.org", "p@example.org"]
    assert problems(site) == {}


def test_a_decision_waits_while_another_program_holds_the_registrys_lock(site: Site) -> None:
    # Elsewhere than in the directory of the registry, so that opening it is no event there.
    lock = site.root / "other-tools.lock"
    site.start_watcher(env={"RUNV_EMAIL_ALIASES_LOCK_PATH": str(lock)})
    record = ask(site, "pablo", "p@example.org")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    marker = site.drop_marker(decision(record))

    assert await_problem(site, "registry-busy") == (
        f"Another program holds the lock {lock}. Decisions wait until it lets go."
    )
    maria = site.accounts.add("maria")
    assert ask(site, "maria", "m@example.org")["uid"] == maria.uid
    assert marker.exists()
    assert site.registry() == {}

    os.close(descriptor)

    wait_for(lambda: not marker.exists(), site.paths.decisions, what="the decision to be applied")
    await_well(site)
    assert site.map_lookup("pablo@runv.club") == "p@example.org"


def test_the_lock_of_the_registry_is_taken_by_nobody_but_root(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    activate(site, "pablo", "p@example.org")

    found = (site.paths.state / "email-aliases.lock").stat()

    assert (found.st_mode & 0o7777, found.st_uid) == (0o600, 0)


def test_decisions_about_many_members_at_once_are_all_applied(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    names = [f"member{number:02d}" for number in range(12)]
    site.accounts.add_many(names)
    records: list[Record] = [ask(site, name, f"{name}@example.org") for name in names]

    markers = [site.drop_marker(decision(record)) for record in records]

    wait_for(
        lambda: not any(marker.exists() for marker in markers), site.paths.decisions, what="every decision to be done"
    )
    assert list(site.registry()) == names
    assert [site.map_lookup(f"{name}@runv.club") for name in names] == [f"{name}@example.org" for name in names]
