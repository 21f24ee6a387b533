"""The queue directory itself: opened to all, given away, replaced. Requests go on, and an administrator is told."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ..e2e.acts import ask, await_problem, await_status, await_well, problems, settle
from ..e2e.queue_site import gone
from ..support.site import Site
from ..support.watcher import RunningWatcher
from .attackers import unharmed


@pytest.fixture(autouse=True)
def _members(site: Site) -> None:
    site.accounts.add_many(["alice", "bob", "mallory"])


def told(site: Site, found: str) -> str:
    queue = site.paths.queue
    return (
        f"The queue {queue} is {found}, where 2770 or 3770 root:runv-members was expected. Requests are still taken "
        f"in, by who owns each file. Run `chown root:runv-members {queue}`, then `chmod 3770 {queue}`."
    )


def open_to_all(site: Site) -> str:
    site.paths.queue.chmod(0o777)
    return "777 root:runv-members"


def without_set_gid(site: Site) -> str:
    site.paths.queue.chmod(0o770)
    return "770 root:runv-members"


def given_away(site: Site) -> str:
    os.chown(site.paths.queue, site.accounts["mallory"].uid, -1)
    return "2770 mallory:runv-members"


def given_to_a_deleted_account(site: Site) -> str:
    os.chown(site.paths.queue, 54321, -1)
    return "2770 54321:runv-members"


def of_another_group(site: Site) -> str:
    os.chown(site.paths.queue, -1, 0)
    site.paths.queue.chmod(0o2770)
    return "2770 root:root"


def replaced_by_a_link(site: Site) -> str:
    elsewhere = site.root / "elsewhere"
    elsewhere.mkdir()
    os.chown(elsewhere, site.accounts["mallory"].uid, site.accounts.gid)
    elsewhere.chmod(0o2770)
    site.paths.queue.rmdir()
    site.paths.queue.symlink_to(elsewhere)
    return "2770 mallory:runv-members"


WAYS = [
    open_to_all,
    without_set_gid,
    given_away,
    given_to_a_deleted_account,
    of_another_group,
    replaced_by_a_link,
]


def mend(site: Site) -> None:
    """By the commands that the problem names."""
    os.chown(site.paths.queue, 0, site.accounts.gid)
    site.paths.queue.chmod(0o3770)


@pytest.mark.parametrize("harm", WAYS)
def test_a_queue_that_is_not_as_it_was_made_is_told_of_and_requests_go_on(
    site: Site, watcher: RunningWatcher, harm: Callable[[Site], str]
) -> None:
    found = harm(site)
    settle(site)

    assert await_problem(site, "queue-unsafe") == told(site, found)
    assert ask(site, "alice", "alice@example.org")["uid"] == site.accounts["alice"].uid
    site.drop("mallory", "forged.json", {"destination": "thief@example.net", "username": "bob"})
    gone(site, site.paths.queue / "forged.json")
    unharmed(site, "bob")
    assert watcher.running

    mend(site)
    await_well(site)
    assert ask(site, "bob", "bob@example.org")


def test_a_queue_that_is_opened_while_nothing_else_happens_is_noticed_at_the_next_check(site: Site) -> None:
    """A change of mode is no event of those that are watched for; the check of the ears looks. It goes by the same."""
    watcher = site.start_watcher(env={"WATCHDOG_USEC": "1000000"})
    settle(site)
    await_well(site)

    site.paths.queue.chmod(0o2777)

    assert await_problem(site, "queue-unsafe") == told(site, "2777 root:runv-members")
    mend(site)
    await_status(site, lambda: problems(site) == {}, what="the problem to be gone")
    assert watcher.running
    assert len([line for line in watcher.log.splitlines() if line.startswith("ERROR")]) == 1


def test_a_group_that_is_made_anew_with_another_number_is_noticed_at_the_next_check(site: Site) -> None:
    watcher = site.start_watcher(env={"WATCHDOG_USEC": "1000000"})
    settle(site)
    await_well(site)

    before, site.accounts.gid = site.accounts.gid, 54321
    site.accounts.add("eve")

    assert await_problem(site, "queue-unsafe") == told(site, f"2770 root:{before}")
    mend(site)
    await_well(site)
    assert watcher.running


@pytest.mark.parametrize("mode", [0o2770, 0o3770])
def test_a_queue_as_it_should_be_is_no_problem(site: Site, mode: int) -> None:
    site.paths.queue.chmod(mode)
    site.start_watcher()
    assert ask(site, "alice", "alice@example.org")
    assert problems(site) == {}


def test_in_a_sticky_queue_nobody_takes_another_members_file_away(site: Site) -> None:
    site.paths.queue.chmod(0o3770)
    path: Path = site.drop("alice", "request.json", {"destination": "alice@example.org"})

    for command in (["rm", "-f", str(path)], ["mv", str(path), str(site.paths.queue / "other.json")]):
        assert site.run(command, account=site.accounts["mallory"]).returncode == 1

    site.start_watcher()
    assert site.wait_for(lambda: site.pending("alice"), what="the request")
