"""A registry that cannot be used never counts as empty: the map goes on, the status says why, mending it is enough."""

import json
import os
from collections.abc import Callable, Iterator

import pytest

from ..support.install import Installation
from ..support.layout import put
from ..support.needs import require
from ..support.site import Site
from ..support.waiting import wait_for
from ..support.watcher import RunningWatcher
from .acts import (
    activate,
    ask,
    await_problem,
    await_well,
    decision,
    entries,
    entry,
    problems,
    publish,
    settle,
    states,
    write_registry,
)

MEND = " Mend the file; until then the published map stays as it is and decisions wait."


def registry(**changes: object) -> bytes:
    """Two good entries, the second of them changed."""
    pair = entries(2)
    pair["member01"] |= changes
    return json.dumps(pair).encode()


def wrong(found: str) -> str:
    return f"The registry {{path}} cannot be used. {found}{MEND}"


BROKEN = {
    "empty": (b"", wrong("It was expected to be a JSON object of aliases. Input data was truncated.")),
    "cut": (registry()[:-20], wrong("It was expected to be a JSON object of aliases. Input data was truncated.")),
    "a list": (b"[]", wrong("It was expected to be a JSON object of aliases. Expected `object`, got `array`.")),
    "an entry that is none": (
        b'{"pablo": "p@example.org"}',
        wrong("The entry `pablo` breaks the schema: Expected `object`, got `str`."),
    ),
    "an entry without status": (
        b'{"pablo": {"alias": "pablo@runv.club"}}',
        wrong("The entry `pablo` breaks the schema: Object missing required field `status`."),
    ),
    "an entry twice": (
        b'{"pablo": {"alias": "pablo@runv.club", "status": "off"}, "pablo": {"alias": "x", "status": "off"}}',
        wrong("The key `pablo` stands twice."),
    ),
    "a field twice": (
        b'{"pablo": {"alias": "pablo@runv.club", "status": "off", "status": "active"}}',
        wrong("In the entry `pablo`: The key `status` stands twice."),
    ),
    "another name": (
        registry(username="eve"),
        wrong("The entry `member01` has the username `eve`; its key was expected."),
    ),
    "the alias of another entry": (
        registry(alias="member00@runv.club"),
        wrong("The entry `member01` has the alias `member00@runv.club`; `member01@runv.club` was expected."),
    ),
    "another domain": (
        registry(alias="member01@example.org"),
        wrong("The entry `member01` has the alias `member01@example.org`; `member01@runv.club` was expected."),
    ),
    "two destinations": (
        registry(destination="a@example.org, b@example.org"),
        wrong(
            "The entry `member01` has the destination `a@example.org, b@example.org`; one plain address was expected."
        ),
    ),
    "a destination that is a second row": (
        registry(destination="a@example.org\nroot@runv.club\tthief@example.net"),
        wrong(
            "The entry `member01` has the destination `a@example.org\\nroot@runv.club\\tthief@example.net`; one plain "
            "address was expected."
        ),
    ),
    "a program for a destination": (
        registry(destination="|/bin/sh@example.org"),
        wrong("The entry `member01` has the destination `|/bin/sh@example.org`; one plain address was expected."),
    ),
    "no destination": (
        registry(destination=None),
        wrong("The entry `member01` has the destination `None`; one plain address was expected."),
    ),
}


@pytest.fixture(scope="module")
def lasting(installation: Installation) -> Iterator[Site]:
    """One server, whose registry is broken and mended again and again."""
    require("root", "accounts", "postfix", "postfix-hash")
    with Site(installation) as site:
        site.start_watcher()
        yield site


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_registry_is_reported_and_waited_out(lasting: Site, case: str) -> None:
    site = lasting
    data, message = BROKEN[case]
    publish(site, {"pablo": entry("pablo", "p@example.org")})
    before = states(site.paths.postfix)

    write_registry(site, data)

    assert await_problem(site, "registry-broken") == message.format(path=site.paths.registry)
    settle(site)
    assert states(site.paths.postfix) == before
    assert site.map_lookup("pablo@runv.club") == "p@example.org"
    assert site.paths.registry.read_bytes() == data

    write_registry(site, {"pablo": entry("pablo", "new@example.net")})

    await_well(site)
    assert site.map_lookup("pablo@runv.club") == "new@example.net"


def remove(site: Site) -> None:
    site.paths.registry.unlink()


def replace_by_directory(site: Site) -> None:
    site.paths.registry.unlink()
    site.paths.registry.mkdir()


def replace_by_link(site: Site) -> None:
    elsewhere = site.root / "elsewhere.json"
    put(elsewhere, b"{}", 0o644)
    site.paths.registry.unlink()
    site.paths.registry.symlink_to(elsewhere)


def give_second_name(site: Site) -> None:
    # It has both before it takes the registry's place: the watcher would believe it in between.
    backup, new = site.paths.state / "backup.json", site.paths.state / "new.json"
    put(backup, b"{}", 0o640)
    os.link(backup, new)
    new.rename(site.paths.registry)


MISSING = (
    "The registry {path} is not there. Bring it back, or begin a new one with `{{}}` in it. Until then the published "
    "map stays as it is and decisions wait."
)
UNREADABLE = (
    "The registry {path} cannot be read: {path} {why} Until it can, the published map stays as it is and decisions "
    "wait."
)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (remove, MISSING),
        (replace_by_directory, UNREADABLE.replace("{why}", "is not a plain file.")),
        (replace_by_link, UNREADABLE.replace("{why}", "is not a plain file.")),
        (give_second_name, UNREADABLE.replace("{why}", "has 2 names (hard links); one was expected.")),
    ],
)
def test_a_registry_that_is_not_there_or_cannot_be_read_is_waited_out(
    site: Site, watcher: RunningWatcher, harm: Callable[[Site], None], message: str
) -> None:
    assert watcher.running
    site.accounts.add("pablo")
    record = ask(site, "pablo", "p@example.org")
    good = {"maria": entry("maria", "m@example.org")}
    publish(site, good)

    harm(site)

    code = "registry-broken" if message == MISSING else "registry-unreadable"
    assert await_problem(site, code) == message.format(path=site.paths.registry)
    marker = site.drop_marker(decision(record))
    settle(site)
    assert marker.exists()
    assert site.map_lookup("maria@runv.club") == "m@example.org"

    if site.paths.registry.is_dir():
        site.paths.registry.rmdir()
    write_registry(site, good)

    wait_for(lambda: not marker.exists(), site.paths.decisions, what="the decision to be applied")
    await_well(site)
    assert list(site.registry()) == ["maria", "pablo"]
    assert site.map_lookup("pablo@runv.club") == "p@example.org"


def test_a_watcher_that_starts_on_a_broken_registry_leaves_the_map_alone(site: Site) -> None:
    first = site.start_watcher()
    publish(site, {"pablo": entry("pablo", "p@example.org")})
    first.stop()
    write_registry(site, b"{}}")
    before = states(site.paths.postfix)

    site.start_watcher()

    assert list(problems(site)) == ["registry-broken"]
    settle(site)
    assert states(site.paths.postfix) == before
    assert site.map_lookup("pablo@runv.club") == "p@example.org"
    publish(site, {})
    assert site.map_lookup("pablo@runv.club") is None


def test_what_a_member_wrote_after_a_cancel_that_has_to_wait_waits_as_well(site: Site, watcher: RunningWatcher) -> None:
    """Taken in before it, the later file would make the earlier one look as if it were brought back."""
    assert watcher.running
    site.accounts.add("pablo")
    activate(site, "pablo", "old@example.org")
    whole = site.paths.registry.read_bytes()
    write_registry(site, b"{")
    await_problem(site, "registry-broken")

    earlier = site.drop("pablo", "earlier.json", {"action": "cancel", "scope": "active"})
    settle(site)
    later = site.drop("pablo", "later.json", {"destination": "new@example.org"})
    settle(site)
    assert earlier.exists()
    assert later.exists()

    write_registry(site, whole)

    record = wait_for(lambda: site.pending("pablo"), site.paths.requests / "pending", what="the request") or {}
    assert record["destination"] == "new@example.org"
    assert site.records("refused") == []
    assert site.registry()["pablo"]["status"] == "cancelled"
