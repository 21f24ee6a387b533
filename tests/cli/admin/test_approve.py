import json
import stat
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from cli.decisions_directory import DecisionsDirectory
from cli.server import status
from schemas.decision import parse_decision
from schemas.program import WATCHER_UNIT
from schemas.queue_file import FILE_NAME
from schemas.status import Conflict, Status, read_status
from tests.cli.conftest import Player, Server, entry
from tests.support.waiting import wait_for

SHOWN = "pablo@runv.club -> p@example.org (asked 2026-05-19 20:55 UTC)\n"


def approved(server: Server, *problems: tuple[str, str], **keys: Any) -> Any:
    """Play a watcher that applies one approval and publishes."""

    def play(watcher: Player) -> None:
        marker = watcher.marker()
        checksum = server.registry(pablo=entry(updated_by=marker.stem))
        server.status(*problems, published=checksum, **keys)
        marker.unlink()

    return server.played(play)


def test_an_approval_says_that_mail_flows(server: Server) -> None:
    server.status()
    server.record("pending")
    with approved(server):
        outcome = server.admin("approve", "pablo")
    assert outcome == (0, f"{SHOWN}Approved: mail to pablo@runv.club now goes to p@example.org.\n", "")


def test_an_approval_of_an_alias_that_anothers_row_holds_fails_with_both_destinations(server: Server) -> None:
    server.status()
    server.record("pending")
    conflict = Conflict("pablo@runv.club", "p@example.org", ["old@example.org", "more@example.org"])
    with approved(server, ("alias-conflict", "One alias is left out."), conflicts=[conflict]):
        outcome = server.admin("approve", "pablo")
    assert outcome == (
        1,
        SHOWN,
        "Approved, but mail to pablo@runv.club does not go to p@example.org: a row in the database that is not of this "
        "program's making sends it to old@example.org, more@example.org. Delete that row, then run: "
        "runv-admin-email-alias sync\n",
    )


def test_anothers_row_that_says_the_same_is_not_said_to_send_mail_elsewhere(server: Server) -> None:
    server.status()
    server.record("pending")
    conflict = Conflict("pablo@runv.club", "p@example.org", ["p@example.org"])
    with approved(server, ("alias-conflict", "One alias is left out."), conflicts=[conflict]):
        outcome = server.admin("approve", "pablo")
    assert outcome == (
        1,
        SHOWN,
        "Approved, and mail to pablo@runv.club goes to p@example.org already, but by a row in the database that is not "
        "of this program's making and would stay when the alias is revoked. Delete that row, then run: "
        "runv-admin-email-alias sync\n",
    )


@pytest.mark.parametrize("code", ["alias-conflict", "map-answers-wrong", "replica-behind", "replica-unreachable"])
def test_what_keeps_other_aliases_from_working_is_a_warning(server: Server, code: str) -> None:
    server.status()
    server.record("pending")
    conflict = Conflict("maria@runv.club", "m@example.org", ["x@example.org"])
    with approved(server, (code, "Something else is in the way."), conflicts=[conflict]):
        outcome = server.admin("approve", "pablo")
    assert outcome == (
        0,
        f"{SHOWN}Approved: mail to pablo@runv.club now goes to p@example.org.\n",
        "Warning: Something else is in the way.\n",
    )


def test_the_marker_is_bound_to_what_was_shown(server: Server) -> None:
    server.status()
    record = server.record("pending")
    outcome = server.admin("approve", "pablo", "--no-wait")
    assert outcome == (0, f"{SHOWN}Handed in. `runv-admin-email-alias status` tells of problems.\n", "")
    (marker,) = (path for path in server.paths.decisions.iterdir() if path.is_file())
    assert FILE_NAME.fullmatch(marker.name)
    assert stat.S_IMODE(marker.stat().st_mode) == 0o600
    decision = parse_decision(marker.read_bytes())
    assert (decision.decision, decision.username, decision.operator) == ("approve", "pablo", "maria")
    assert (decision.request_id, decision.destination) == (record.request_id, "p@example.org")


def test_a_change_shows_what_it_replaces(server: Server) -> None:
    server.registry(pablo=entry(destination="old@example.org"))
    server.record("pending")
    outcome = server.admin("approve", "pablo")
    assert outcome.out == ("pablo@runv.club -> p@example.org (asked 2026-05-19 20:55 UTC; now old@example.org)\n")


def test_without_a_watcher_the_decision_is_kept(server: Server) -> None:
    server.record("pending")
    for arguments in ((), ("--no-wait",), ("--no-sync-mail",)):
        outcome = server.admin("approve", "pablo", *arguments)
        assert outcome == (
            75,
            SHOWN,
            "The watcher is not running. The decision is kept and will be applied when it starts: systemctl start "
            "runv-email-alias-watcher\n",
        )
    assert len(server.markers()) == 3


@pytest.mark.usefixtures("impatient")
def test_without_an_answer_in_time_the_decision_is_kept_and_problems_are_told(server: Server) -> None:
    server.status(("registry-broken", "The registry cannot be used."))
    server.record("pending")
    outcome = server.admin("approve", "pablo")
    (marker,) = (path for path in server.paths.decisions.iterdir() if path.is_file())
    assert outcome == (
        75,
        SHOWN,
        f"The watcher has not applied the decision {marker.name} within 0.02 seconds. It is kept; see "
        "`runv-admin-email-alias status`.\nWarning: The registry cannot be used.\n",
    )


def test_a_decision_that_could_not_be_applied_tells_why(server: Server) -> None:
    server.status()
    server.record("pending")
    with server.played(lambda watcher: watcher.fail(watcher.marker(), "The request changed\x1b since \\x9b.")):
        outcome = server.admin("approve", "pablo")
    assert outcome == (1, SHOWN, "pablo: The request changed\\x1b since \\x9b.\n")


def test_a_failed_decision_that_cannot_be_read_is_a_failure_all_the_same(server: Server) -> None:
    server.status()
    server.record("pending")
    failed: list[Path] = []

    def play(watcher: Player) -> None:
        marker = watcher.marker()
        failed.append(server.paths.decisions / "failed" / marker.name)
        failed[0].write_text("{")
        marker.unlink()

    with server.played(play):
        outcome = server.admin("approve", "pablo")
    assert outcome.status == 1
    assert outcome.err == (f"pablo: The decision could not be applied; {failed[0]} says why, but cannot be read.\n")


def test_with_publishing_off_it_is_recorded_only(server: Server) -> None:
    server.status()
    server.record("pending")

    def play(watcher: Player) -> None:
        marker = watcher.marker()
        server.registry(pablo=entry())
        server.status(enabled=False)
        marker.unlink()

    with server.played(play):
        outcome = server.admin("approve", "pablo")
    assert outcome == (
        0,
        f"{SHOWN}Approved: pablo@runv.club -> p@example.org.\nIt is recorded only: publishing is switched off "
        f"(`enabled` is false in {server.paths.config}).\n",
        "",
    )


def test_a_map_that_postfix_does_not_ask_is_a_warning(server: Server) -> None:
    server.status()
    server.record("pending")
    with approved(server, ("map-not-used", "Postfix does not ask the map.")):
        outcome = server.admin("approve", "pablo")
    assert outcome.status == 0
    assert outcome.err == "Warning: Postfix does not ask the map.\n"


def test_a_map_that_could_not_be_published_is_a_failure(server: Server) -> None:
    server.status()
    server.record("pending")

    def play(watcher: Player) -> None:
        marker = watcher.marker()
        server.registry(pablo=entry())
        server.status(
            ("queue-directories", "Beside the point."), ("publish-failed", "The disk is full."), published="0"
        )
        marker.unlink()

    with server.played(play):
        outcome = server.admin("approve", "pablo")
    assert outcome == (
        1,
        f"{SHOWN}Approved: pablo@runv.club -> p@example.org.\n",
        "The mail server's map does not follow: The disk is full.\n",
    )


def test_where_the_map_is_behind_for_a_moment_it_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.status()
    server.record("pending")
    checksums: list[str] = []

    def read(runtime_dir: str) -> Status | None:
        found = read_status(runtime_dir)
        if checksums:
            server.status(published=checksums[0])  # at the next look the watcher has published
        return found

    def play(watcher: Player) -> None:
        marker = watcher.marker()
        checksums.append(server.registry(pablo=entry()))
        server.status(published="0")
        marker.unlink()

    monkeypatch.setattr(status, "read_status", read)
    with server.played(play):
        outcome = server.admin("approve", "pablo")
    assert outcome == (0, f"{SHOWN}Approved: mail to pablo@runv.club now goes to p@example.org.\n", "")


def test_without_a_status_the_way_to_look_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.status()
    server.record("pending")
    awaited, await_gone = threading.Event(), DecisionsDirectory.await_gone

    def begin(directory: DecisionsDirectory, names: Iterable[str]) -> set[str]:
        awaited.set()
        return await_gone(directory, names)

    def play(watcher: Player) -> None:
        marker = watcher.marker()
        # Between handing the decision in and waiting, the command looks whether there is a watcher at all.
        assert awaited.wait(10)
        server.paths.status.unlink()
        marker.unlink()

    monkeypatch.setattr(DecisionsDirectory, "await_gone", begin)
    with server.played(play):
        outcome = server.admin("approve", "pablo")
    assert outcome.status == 1
    assert outcome.err == (
        "The mail server's map does not follow: The watcher has left no status. See: systemctl status "
        "runv-email-alias-watcher\n"
    )


def test_the_unit_that_is_named_is_the_one_that_is_installed() -> None:
    units = Path(__file__).parents[3] / "units"
    assert units.joinpath(f"{WATCHER_UNIT}.service").is_file()


def test_a_failure_counts_for_more_than_what_is_kept(server: Server) -> None:
    server.record("pending")
    assert server.admin("approve", "root", "pablo").status == 1
    assert [marker["username"] for marker in server.markers()] == ["pablo"]


@pytest.mark.usefixtures("impatient")
def test_where_the_map_stays_behind_without_a_reason_that_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.status(published="0")
    server.record("pending")
    # The watcher has been: only what the status says counts here.
    monkeypatch.setattr(DecisionsDirectory, "await_gone", lambda _, names: set())
    outcome = server.admin("approve", "pablo")
    assert outcome.status == 1
    assert outcome.err == "The mail server's map does not follow yet. See: runv-admin-email-alias status\n"


def test_an_approval_that_something_has_undone_since_is_not_called_live(server: Server) -> None:
    server.status()
    server.record("pending")

    def play(watcher: Player) -> None:
        marker = watcher.marker()
        server.status(published=server.registry(pablo=entry(status="cancelled")))
        marker.unlink()

    with server.played(play):
        outcome = server.admin("approve", "pablo")
    assert outcome.status == 1
    assert outcome.err.startswith(
        "The approval was applied, but the registry does not have pablo@runv.club -> p@example.org any more:"
    )


def test_several_are_all_handed_in_before_any_is_waited_for(server: Server) -> None:
    server.status()
    for name in ("pablo", "maria", "ana"):
        server.record("pending", name, destination=f"{name}@example.org")

    def play(watcher: Player) -> None:
        wait_for(lambda: len(server.markers()) == 3, server.paths.decisions, what="three markers")
        checksum = server.registry(pablo=entry("pablo", "pablo@example.org"), ana=entry("ana", "ana@example.org"))
        server.status(published=checksum)
        for path in server.paths.decisions.glob("[0-9]*.json"):
            if json.loads(path.read_bytes())["username"] == "maria":
                watcher.fail(path, "She is no member any more.")
            else:
                path.unlink()

    with server.played(play):
        outcome = server.admin("approve", "pablo", "maria", "ana", "pablo")
    assert outcome.status == 1
    assert outcome.out.splitlines()[3:] == [
        "Approved: mail to pablo@runv.club now goes to pablo@example.org.",
        "Approved: mail to ana@runv.club now goes to ana@example.org.",
    ]
    assert outcome.err == "maria: She is no member any more.\n"


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        ("nobody-of-this-name", "nobody-of-this-name: there is no account of this name.\n"),
        ("daemon", "daemon is not a member of the group {group} and has no request waiting.\n"),
        ("../x\x1b", "../x\\x1b: nobody with an alias can have this name. Look it up with: runv-admin-email-alias "
         "pending\n"),
    ],
)  # fmt: skip
def test_of_several_the_one_that_is_wrong_does_not_keep_the_others(server: Server, user: str, sentence: str) -> None:
    server.status()
    server.record("pending")
    outcome = server.admin("approve", user, "pablo", "--no-wait")
    assert outcome.status == 1
    assert outcome.err == sentence.format(group=server.group)
    assert [marker["username"] for marker in server.markers()] == ["pablo"]


def test_a_member_without_a_request_is_told(server: Server) -> None:
    outcome = server.admin("approve", "root")
    assert outcome == (1, "", "root has no request waiting. See: runv-admin-email-alias pending\n")
    assert server.markers() == []


def test_no_sync_mail_returns_when_the_registry_has_the_alias(server: Server) -> None:
    server.status()
    server.record("pending")

    def play(watcher: Player) -> None:
        server.registry(pablo=entry(updated_by=watcher.marker().stem))

    with server.played(play):
        outcome = server.admin("approve", "pablo", "--no-sync-mail")
    assert outcome == (
        0,
        f"{SHOWN}Approved: the registry has pablo@runv.club -> p@example.org; the mail server's map follows.\n",
        "",
    )
    assert len(server.markers()) == 1


def test_no_sync_mail_tells_of_a_failure_too(server: Server) -> None:
    server.status()
    server.record("pending")
    # The destination is there already, by hand: only this decision's own entry counts.
    server.registry(pablo=entry())
    with server.played(lambda watcher: watcher.fail(watcher.marker(), "No.")):
        outcome = server.admin("approve", "pablo", "--no-sync-mail")
    assert outcome == (1, SHOWN, "pablo: No.\n")


@pytest.mark.usefixtures("impatient")
def test_no_sync_mail_does_not_wait_for_ever(server: Server) -> None:
    server.status()
    server.record("pending")
    assert server.admin("approve", "pablo", "--no-sync-mail").status == 75


def test_a_disk_error_leaves_no_marker_and_no_traceback(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from schemas.fs.directory import Directory

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    server.record("pending")
    monkeypatch.setattr(Directory, "write", full)
    outcome = server.admin("approve", "pablo")
    assert outcome.status == 1
    assert outcome.err == (
        f"{server.paths.decisions} cannot be used (No space left on device). Look for a full disk, or a wrong owner or "
        "mode, and try again.\n"
    )
    assert server.markers() == []
