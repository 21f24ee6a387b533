from typing import Any

import pytest

from cli.admin import arguments
from schemas.decision import Decision
from schemas.status import Conflict
from tests.cli.conftest import Player, Server, as_nobody, entry


def test_a_rejection_is_applied(server: Server) -> None:
    server.status()
    server.record("pending")
    with server.played(lambda watcher: watcher.marker().unlink()):
        outcome = server.admin("reject", "pablo", "--reason", "It bounces.")
    assert outcome == (
        0,
        "Rejected: pablo@runv.club -> p@example.org. pablo reads the reason with `runv-email-alias status`.\n",
        "",
    )


def test_a_rejection_is_bound_to_the_request(server: Server) -> None:
    record = server.record("pending")
    assert server.admin("reject", "pablo", "--reason", "It bounces.").status == 75
    (marker,) = server.markers()
    del marker["created_at"]
    assert marker == {
        "decision": "reject",
        "username": "pablo",
        "request_id": record.request_id,
        "destination": "p@example.org",
        "operator": "maria",
        "reason": "It bounces.",
    }


def test_a_rejection_that_failed_tells_why(server: Server) -> None:
    server.status()
    server.record("pending")
    with server.played(lambda watcher: watcher.fail(watcher.marker(), "Too late.")):
        assert server.admin("reject", "pablo", "--reason", "x") == (1, "", "pablo: Too late.\n")


def test_with_nothing_waiting_nothing_is_rejected(server: Server) -> None:
    assert server.admin("reject", "root", "--reason", "x") == (
        1,
        "",
        "root has no request waiting. See: runv-admin-email-alias pending\n",
    )
    assert server.markers() == []


def revoked(server: Server, **keys: Any) -> Any:
    def play(watcher: Player) -> None:
        marker = watcher.marker()
        checksum = server.registry(pablo=entry(status="revoked"))
        server.status(**{"published": checksum} | keys)
        marker.unlink()

    return server.played(play)


def test_a_revocation_is_applied_and_mail_stops(server: Server) -> None:
    server.status()
    server.registry(pablo=entry())
    with revoked(server):
        outcome = server.admin("revoke", "pablo", "--reason", "Closed.")
    assert outcome == (0, "Revoked: mail to pablo@runv.club no longer goes to p@example.org.\n", "")


@pytest.mark.parametrize(("held", "status"), [("p@example.org", 1), ("sales@example.net", 0)])
def test_a_revocation_leaves_the_row_of_another_and_does_not_claim_that_mail_stops(
    server: Server, held: str, status: int
) -> None:
    server.status(conflicts=[Conflict("pablo@runv.club", "p@example.org", [held])])
    server.registry(pablo=entry())
    with revoked(server):
        outcome = server.admin("revoke", "pablo", "--reason", "Closed.")
    assert outcome == (
        status,
        "",
        "Revoked, but the row in the database that is not of this program's making was left alone: it sends mail to "
        f"pablo@runv.club to {held}. Delete it if that is to end, too.\n",
    )


def test_a_revocation_with_publishing_off_is_recorded_only(server: Server) -> None:
    server.status()
    server.registry(pablo=entry())
    with revoked(server, enabled=False, published=None):
        outcome = server.admin("revoke", "pablo", "--reason", "Closed.")
    assert outcome.status == 0
    assert outcome.out.startswith("Revoked: pablo@runv.club -> p@example.org.\nIt is recorded only:")


def test_a_revocation_is_bound_to_the_destination(server: Server) -> None:
    server.registry(pablo=entry())
    assert server.admin("revoke", "pablo", "--reason", "Closed.").status == 75
    (marker,) = server.markers()
    assert (marker["decision"], marker["username"], marker["destination"]) == ("revoke", "pablo", "p@example.org")
    assert marker["reason"] == "Closed."


@pytest.mark.parametrize("entries", [{}, {"pablo": entry(status="cancelled")}])
def test_without_an_active_alias_nothing_is_revoked(server: Server, entries: dict[str, Any]) -> None:
    server.registry(**entries)
    assert server.admin("revoke", "pablo", "--reason", "x") == (
        1,
        "",
        "pablo has no active alias. See: runv-admin-email-alias list\n",
    )
    assert server.markers() == []


@pytest.mark.parametrize("command", ["reject", "revoke"])
@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (" ", "Invalid value for '--reason': The member reads it, so it cannot be blank."),
        ("x" * 1001, "Invalid value for '--reason': It has 1001 characters, and at most 1000 are allowed."),
        *(
            (
                f"a{character}b",
                "Invalid value for '--reason': It holds a line end or another control character; give it on one plain "
                "line.",
            )
            for character in "\n\x1b\x9b\x7f\u202e\u2028\udc80"
        ),
        (None, "Missing option '--reason'."),
    ],
)
def test_a_reason_that_cannot_be_read_is_a_usage_error(
    server: Server, command: str, reason: str | None, sentence: str
) -> None:
    server.registry(pablo=entry())
    server.record("pending")
    outcome = server.admin(command, "pablo", *(() if reason is None else ("--reason", reason)))
    assert outcome.status == 2
    assert outcome.err.splitlines()[-1] == f"Error: {sentence}"
    assert server.markers() == []


def test_the_longest_reason_is_passed_on_whole(server: Server) -> None:
    server.record("pending")
    assert server.admin("reject", "pablo", "--reason", "é" * 1000).status == 75
    assert server.markers()[0]["reason"] == "é" * 1000


def test_the_limit_of_a_reason_is_the_one_of_the_schema() -> None:
    import msgspec

    assert f'"maxLength":{arguments.REASON_LIMIT}' in msgspec.json.encode(msgspec.json.schema(Decision)).decode()


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    "command",
    [
        ("approve", "pablo"),
        ("reject", "pablo", "--reason", "x"),
        ("revoke", "pablo", "--reason", "x"),
        ("sync",),
        ("sync", "--force"),
    ],
)
def test_who_is_not_root_is_told_to_use_sudo(open_server: Server, command: tuple[str, ...]) -> None:
    open_server.record("pending")
    with as_nobody():
        outcome = open_server.admin(*command)
    assert outcome == (1, "", f"You may not use the directory {open_server.paths.decisions}. Run it with sudo.\n")
