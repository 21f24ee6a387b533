"""The administrator's markers, dropped as the command does: each is bound to what was seen, and holds once."""

import time
from collections.abc import Callable

import pytest

from ..support.layout import put
from ..support.site import Record, Site
from ..support.watcher import RunningWatcher
from .acts import activate, ask, decide, decision, entry, failure, publish, settle

NO_PENDING = "pablo has no pending request. See `runv-admin-email-alias pending`."
NO_ALIAS = "pablo has no active alias. See `runv-admin-email-alias list`."
REVOKE = {"decision": "revoke", "username": "pablo", "operator": "pmurad-admin", "reason": "The account was closed."}


@pytest.fixture(autouse=True)
def _pablo(site: Site) -> None:
    site.accounts.add("pablo")


def test_an_approval_is_recorded_in_the_registry_and_in_the_request(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    record = ask(site, "pablo", "p@example.org")

    identifier = decide(site, decision(record))

    (written,) = site.registry().values()
    timestamp = written["created_at"]
    assert written == {
        "username": "pablo",
        "alias": "pablo@runv.club",
        "destination": "p@example.org",
        "status": "active",
        "created_at": timestamp,
        "updated_at": timestamp,
        "approved_by": "pmurad-admin",
        "uid": site.accounts["pablo"].uid,
        "updated_by": identifier,
    }
    (kept,) = site.records("approved")
    assert kept == record | {
        "status": "approved",
        "decided_at": kept["decided_at"],
        "decided_by": "pmurad-admin",
        "decision_id": identifier,
    }
    assert site.records("pending") == []
    assert site.map_lookup("pablo@runv.club") == "p@example.org"


def test_a_changed_destination_keeps_the_day_the_alias_began(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    publish(site, {"pablo": entry("pablo", "old@example.org", note="kept")})

    identifier = activate(site, "pablo", "new@example.net")

    written = site.registry()["pablo"]
    assert (written["created_at"], written["destination"]) == ("2026-05-19T20:55:18Z", "new@example.net")
    assert (written["uid"], written["updated_by"]) == (site.accounts["pablo"].uid, identifier)
    assert written["updated_at"] > "2026-05-19T20:55:18Z"
    assert written["note"] == "kept"


def test_an_alias_that_begins_anew_has_a_new_first_day(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    ended = entry("pablo", "old@example.org", status="revoked", reason="The account was closed.")
    publish(site, {"pablo": ended})

    activate(site, "pablo", "new@example.net")

    written = site.registry()["pablo"]
    assert written["created_at"] == written["updated_at"] > "2026-05-19T20:55:18Z"
    assert "reason" not in written


@pytest.mark.parametrize(
    "seen", [{"destination": "other@example.org"}, {"request_id": "20260101T000000.000000Z-pablo-0123456789"}]
)
def test_an_approval_of_what_has_changed_since_it_was_shown_fails(
    site: Site, watcher: RunningWatcher, seen: Record
) -> None:
    assert watcher.running
    record = ask(site, "pablo", "p@example.org")
    before = site.paths.registry.stat()
    shown = decision(record) | seen

    identifier = decide(site, shown)

    assert failure(site, identifier) == {
        "decision_id": identifier,
        "reason": f"The request changed since it was shown: {shown['request_id']} for {shown['destination']} was "
        f"approved, and {record['request_id']} for p@example.org is pending. Look again with `runv-admin-email-alias "
        "pending`.",
        "reason_code": "request-changed",
        "failed_at": site.failed()[0]["failed_at"],
        "marker": shown,
    }
    assert site.pending("pablo") == record
    after = site.paths.registry.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_rejection_of_another_request_than_the_pending_one_fails(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    record = ask(site, "pablo", "p@example.org")

    identifier = decide(site, decision(record, "reject", reason="No.") | {"request_id": "another"})

    assert failure(site, identifier)["reason"] == (
        "Another request of pablo is pending than the one that was rejected (another). Look again."
    )
    assert site.pending("pablo") == record


@pytest.mark.parametrize(
    ("marker", "reason"),
    [
        ({"decision": "approve", "username": "pablo", "request_id": "x", "destination": "p@example.org"}, NO_PENDING),
        ({"decision": "reject", "username": "pablo", "reason": "No."}, NO_PENDING),
        (REVOKE, NO_ALIAS),
        (
            {"decision": "revoke", "username": "nobody-at-all"},
            "nobody-at-all has no active alias. See `runv-admin-email-alias list`.",
        ),
    ],
)
def test_a_decision_about_nobody_fails(site: Site, watcher: RunningWatcher, marker: Record, reason: str) -> None:
    assert watcher.running

    identifier = decide(site, marker)

    assert failure(site, identifier)["reason"] == reason
    assert site.registry() == {}


def test_a_revocation_of_what_has_changed_since_it_was_shown_fails(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    activate(site, "pablo", "p@example.org")

    identifier = decide(site, {**REVOKE, "destination": "other@example.org"})

    assert failure(site, identifier)["reason"] == (
        "The alias of pablo goes to p@example.org and not to other@example.org, which was shown. Look again."
    )
    assert site.map_lookup("pablo@runv.club") == "p@example.org"


def test_a_revocation_records_who_and_why(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    activate(site, "pablo", "p@example.org")

    identifier = decide(site, REVOKE)

    ended = site.registry()["pablo"]
    assert (ended["status"], ended["updated_by"], ended["reason"]) == (
        "revoked",
        identifier,
        "The account was closed.",
    )
    assert site.map_lookup("pablo@runv.club") is None


def dated(early: Record, late: Record, site: Site) -> None:
    """Drop both, the later one first."""
    now = time.time()
    site.drop_marker(late, filename="a.json", mtime=now - 10)
    site.drop_marker(early, filename="b.json", mtime=now - 20)


def same_moment(early: Record, late: Record, site: Site) -> None:
    timestamp = float(int(time.time()) - 10)
    site.drop_marker(late, filename="b.json", mtime=timestamp)
    site.drop_marker(early, filename="a.json", mtime=timestamp)


@pytest.mark.parametrize("drop", [dated, same_moment])
@pytest.mark.parametrize("approve_first", [True, False])
def test_markers_are_applied_in_the_order_of_their_times_then_names(
    site: Site, drop: Callable[[Record, Record, Site], None], approve_first: bool
) -> None:
    first = site.start_watcher()
    approve = decision(ask(site, "pablo", "p@example.org"))
    first.stop()
    early, late = (approve, REVOKE) if approve_first else (REVOKE, approve)
    drop(early, late, site)

    site.start_watcher()

    assert site.registry()["pablo"]["status"] == ("revoked" if approve_first else "active")
    assert [failed["reason"] for failed in site.failed()] == ([] if approve_first else [NO_ALIAS])
    assert not list(site.paths.decisions.glob("*.json"))


def test_a_marker_that_comes_again_changes_nothing(site: Site, watcher: RunningWatcher) -> None:
    """As after a kill between the registry's write and the marker's removal."""
    assert watcher.running
    record = ask(site, "pablo", "p@example.org")
    marker = decision(record)
    identifier = decide(site, marker)
    before = (site.paths.registry.stat(), site.records("approved"))

    assert decide(site, marker, filename=f"{identifier}.json") == identifier

    after = (site.paths.registry.stat(), site.records("approved"))
    assert (after[0].st_ino, after[0].st_mtime_ns, after[1]) == (before[0].st_ino, before[0].st_mtime_ns, before[1])
    assert site.failed() == []

    another = decide(site, marker)
    assert failure(site, another)["reason"] == NO_PENDING


def test_a_registry_that_a_hand_left_with_another_mode_is_readable_by_members_again(
    site: Site, watcher: RunningWatcher
) -> None:
    assert watcher.running
    put(site.paths.registry, b"{}", 0o600)
    settle(site)

    activate(site, "pablo", "p@example.org")

    found = site.paths.registry.stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o640, 0, site.accounts.gid)
