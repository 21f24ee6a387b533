"""A name is not a person: what was asked by, or approved for, an account that is no more."""

import pytest

from ..support.layout import put
from ..support.site import Site
from ..support.waiting import wait_for
from ..support.watcher import RunningWatcher
from .acts import activate, ask, await_problem, decide, decision, failure
from .queue_site import gone, refusal

GONE = "The account pablo that asked (uid {}) is no more, or its name belongs to another uid now."


@pytest.fixture(autouse=True)
def _pablo(site: Site) -> None:
    site.accounts.add("pablo")


def somebody_else(site: Site) -> int:
    """Give the name to another person, and return their uid."""
    before = site.accounts["pablo"].uid
    site.accounts.remove("pablo")
    after = site.accounts.add("pablo").uid
    assert after != before
    return after


def test_a_name_given_to_somebody_else_does_not_inherit_the_alias(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    activate(site, "pablo", "old@example.org")
    somebody_else(site)

    path = site.drop("pablo", "cancel.json", {"action": "cancel", "scope": "active"})

    assert refusal(site, "pablo", path)["reason"] == "There is no active alias to switch off."
    assert site.registry()["pablo"]["status"] == "active"


def test_a_name_given_to_somebody_else_does_not_inherit_the_request(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    ask(site, "pablo", "old@example.org")
    somebody_else(site)

    path = site.drop("pablo", "cancel.json", {"action": "cancel"})

    assert refusal(site, "pablo", path)["reason"] == "There is no pending request to cancel."
    assert [record["destination"] for record in site.records("pending")] == ["old@example.org"]


def test_a_request_under_the_same_name_closes_that_of_the_former_account(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    former = ask(site, "pablo", "old@example.org")
    uid = somebody_else(site)

    record = ask(site, "pablo", "new@example.net")

    assert record["uid"] == uid
    assert site.records("pending") == [record]
    (closed,) = site.records("cancelled")
    assert closed == former | {
        "status": "cancelled",
        "decided_at": closed["decided_at"],
        "decided_by": "watcher",
        "reason": "The account that asked for this is no more; its name belongs to somebody else now.",
        "reason_code": "account-changed",
    }


def test_an_alias_approved_for_somebody_else_of_the_same_name_begins_anew(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    activate(site, "pablo", "old@example.org")
    uid = somebody_else(site)

    identifier = activate(site, "pablo", "new@example.net")

    written = site.registry()["pablo"]
    assert (written["uid"], written["destination"], written["updated_by"]) == (uid, "new@example.net", identifier)
    assert written["created_at"] == written["updated_at"]
    assert site.map_lookup("pablo@runv.club") == "new@example.net"


@pytest.mark.parametrize("name_lives_on", [True, False])
def test_only_the_account_that_asked_can_be_approved(site: Site, watcher: RunningWatcher, name_lives_on: bool) -> None:
    assert watcher.running
    record = ask(site, "pablo", "p@example.org")
    if name_lives_on:
        somebody_else(site)
    else:
        site.accounts.remove("pablo")

    identifier = decide(site, decision(record))

    assert failure(site, identifier)["reason"] == GONE.format(record["uid"])
    assert site.registry() == {}
    assert site.records("pending") == [record]


def test_somebody_who_left_the_group_cannot_be_approved(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    record = ask(site, "pablo", "p@example.org")
    site.accounts.remove("pablo")
    site.accounts.add("pablo", membership="none", uid=record["uid"])

    identifier = decide(site, decision(record))

    assert failure(site, identifier)["reason"] == "pablo is not a member of the group runv-members any more."
    assert site.registry() == {}
    assert site.pending("pablo") == record


def test_a_member_who_is_listed_in_the_group_counts_as_one_by_primary_group_does(
    site: Site, watcher: RunningWatcher
) -> None:
    assert watcher.running
    site.accounts.add("maria", membership="listed")

    activate(site, "maria", "m@example.org")

    assert wait_for(lambda: site.map_lookup("maria@runv.club"), site.paths.postfix, what="it") == "m@example.org"


def test_the_accounts_group_that_is_missing_is_reported_and_awaited(site: Site) -> None:
    group = site.accounts.directory / "group"
    whole = group.read_text()
    put(group, "".join(f"{line}\n" for line in whole.splitlines() if "runv-members" not in line).encode(), 0o644)
    site.start_watcher()
    path = site.drop("pablo", "request.json", {"destination": "p@example.org"})

    assert await_problem(site, "group-missing") == (
        "The group runv-members does not exist, so nobody can be told to be a member. Make it with `groupadd --system "
        "runv-members`; requests and decisions wait."
    )
    assert path.exists()
    put(group, whole.encode(), 0o644)

    gone(site, path)
    assert wait_for(lambda: site.pending("pablo"), site.paths.requests / "pending", what="the request")
