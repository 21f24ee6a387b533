import os
from typing import Any

import pytest

from cli import identity
from schemas.status import Conflict
from tests.cli.conftest import ASKED, LATER, Server, entry

KEYS = [
    "username",
    "alias",
    "state",
    "active",
    "held_up",
    "pending",
    "ended",
    "last",
    "queued",
    "watcher_running",
    "problems",
]


def test_nothing_yet(server: Server) -> None:
    outcome = server.member("status")
    assert outcome == (
        0,
        "You have no alias and no request waiting. To ask for one: runv-email-alias request you@example.org\n",
        "",
    )


def test_pending(server: Server) -> None:
    server.status()
    server.record("pending")
    assert server.member("status") == (
        0,
        "Your request for pablo@runv.club -> p@example.org waits for an administrator, since 2026-05-19 20:55 UTC.\n",
        "",
    )


def test_active(server: Server) -> None:
    server.registry(pablo=entry(updated_at=LATER))
    assert server.member("status") == (
        0,
        "Mail to pablo@runv.club goes to p@example.org, since 2026-06-01 08:00 UTC.\n",
        "",
    )


def test_an_alias_that_anothers_row_holds_is_told_of_without_that_row(server: Server) -> None:
    server.registry(pablo=entry(updated_at=LATER))
    conflict = Conflict("pablo@runv.club", "p@example.org", ["secret@elsewhere.example"])
    message = "A row of somebody else in db.example sends pablo@runv.club to secret@elsewhere.example."
    server.status(("alias-conflict", message), conflicts=[conflict])
    assert server.member("status") == (
        0,
        "pablo@runv.club -> p@example.org is approved, since 2026-06-01 08:00 UTC, but does not work yet: something on "
        "the server is in its way. The administrators are told of it.\n",
        "",
    )
    found = server.member("status", "--json").json
    assert (found["state"], found["held_up"], found["problems"]) == ("active", True, [])
    server.status(conflicts=[Conflict("maria@runv.club", "m@example.org", ["secret@elsewhere.example"])])
    assert server.member("status", "--json").json["held_up"] is False
    # Somebody else's row that says the same is no matter of the member's.
    server.status(conflicts=[Conflict("pablo@runv.club", "p@example.org", ["p@example.org"])])
    assert server.member("status").out == "Mail to pablo@runv.club goes to p@example.org, since 2026-06-01 08:00 UTC.\n"
    assert server.member("status", "--json").json["held_up"] is False


def test_an_alias_that_could_not_be_published_is_told_of(server: Server) -> None:
    failed = ("publish-failed", "The database db.example cannot be reached.")
    server.status(failed, published="0" * 64)  # that one was at LATER
    server.registry(pablo=entry(updated_at=LATER))
    assert server.member("status", "--json").json["held_up"] is False
    server.registry(pablo=entry(updated_at="2026-06-02T08:00:00Z"))
    found = server.member("status").out
    assert found.startswith(
        "pablo@runv.club -> p@example.org is approved, since 2026-06-02 08:00 UTC, but does not work"
    )
    assert "db.example" not in found
    server.status(published="0" * 64)
    assert server.member("status").out.startswith("Mail to pablo@runv.club goes to p@example.org")


def test_nothing_is_claimed_of_an_alias_while_publishing_is_switched_off(server: Server) -> None:
    server.status(enabled=False)
    server.registry(pablo=entry(updated_at=LATER))
    assert server.member("status") == (
        0,
        "pablo@runv.club -> p@example.org is approved, since 2026-06-01 08:00 UTC, but may not work yet: an "
        "administrator has switched publishing off on this server.\n",
        "",
    )
    assert server.member("status", "--json").json["held_up"] is True


def test_change_pending(server: Server) -> None:
    server.status()
    server.registry(pablo=entry())
    server.record("pending", at=LATER, destination="new@example.org")
    assert server.member("status").out == (
        "Mail to pablo@runv.club goes to p@example.org, since 2026-05-19 20:55 UTC.\n"
        "Your request to change it to new@example.org waits for an administrator, since 2026-06-01 08:00 UTC; until it "
        "is approved, nothing changes.\n"
    )


def test_the_last_request_was_rejected(server: Server) -> None:
    server.record("rejected", decided_at=LATER, reason="That address bounces.")
    assert server.member("status").out == (
        "Your request for p@example.org was rejected on 2026-06-01 08:00 UTC: That address bounces.\n"
    )


def test_the_last_file_was_refused(server: Server) -> None:
    server.record("refused", reason="It is not JSON.", destination=None, action="unknown")
    assert server.member("status").out == (
        "The last file you handed in was refused on 2026-05-19 20:55 UTC: It is not JSON.\n"
    )


def test_revoked_and_switched_off_and_anything_else_an_administrator_wrote(server: Server) -> None:
    for fields, sentence in (
        ({"status": "revoked", "reason": "Closed."}, "An administrator switched pablo@runv.club off on {}: Closed.\n"),
        ({"status": "revoked"}, "An administrator switched pablo@runv.club off on {}: no reason was given.\n"),
        ({"status": "cancelled"}, "You switched pablo@runv.club off on {}.\n"),
        ({"status": "on hold"}, "pablo@runv.club is not active: the registry has it as on hold, since {}.\n"),
    ):
        server.registry(pablo=entry(**fields))
        assert server.member("status").out == sentence.format("2026-05-19 20:55 UTC")


def test_what_was_turned_down_is_not_told_once_something_newer_stands(server: Server) -> None:
    server.record("rejected", reason="No.")
    server.record("pending", at=LATER)
    assert "No." not in server.member("status").out
    server.record("refused", at="2026-06-02T08:00:00Z", reason="One is pending.")
    assert "One is pending." in server.member("status").out


def test_what_was_turned_down_before_an_approval_without_a_record_is_not_told(server: Server) -> None:
    server.record("rejected", decided_at=ASKED, reason="No.")
    server.registry(pablo=entry(updated_at=LATER))
    assert "No." not in server.member("status").out


def test_files_that_were_not_taken_in_are_told(server: Server) -> None:
    server.member("request", "me@example.org")
    not_running = "The watcher is not running, so nothing is taken in or decided until it starts.\n"
    one = "One file of yours is in the queue and has not been taken in yet.\n"
    assert server.member("status").out == one + not_running
    (server.paths.queue / "x.json").write_text("{}")
    (server.paths.queue / ".unfinished.tmp").write_text("{}")
    server.status()
    assert server.member("status").out == "2 files of yours are in the queue and have not been taken in yet.\n"


def test_what_belonged_to_an_earlier_account_of_that_name_is_not_shown(server: Server) -> None:
    server.registry(pablo=entry(uid=4242, destination="secret@example.org"))
    server.record("pending", uid=4242, destination="secret@example.org")
    server.record("rejected", uid=4242, destination="secret@example.org", reason="secret")
    for arguments in (("status",), ("status", "--json")):
        outcome = server.member(*arguments)
        assert outcome.status == 0
        assert "secret" not in outcome.out + outcome.err


@pytest.mark.parametrize("as_json", [False, True])
def test_control_characters_in_the_files_cannot_reach_the_terminal(server: Server, as_json: bool) -> None:
    nasty = "\x1b[2J\x9b31m\x7f\u202e"
    server.registry(pablo=entry(status=f"off{nasty}", updated_at=nasty))
    server.record("pending", destination=f"a{nasty}@example.org", created_at=nasty)
    server.record("refused", at=LATER, reason=nasty)
    outcome = server.member("status", *(["--json"] if as_json else []))
    assert outcome.status == 0
    assert outcome.out.replace("\n", "").isprintable()
    assert "\\u001b" in outcome.out if as_json else "\\x1b[2J\\x9b31m\\x7f\\u202e" in outcome.out
    if as_json:
        assert outcome.json["last"]["reason"] == nasty


def test_a_broken_registry_is_told_and_the_rest_is_shown(server: Server) -> None:
    server.status()
    server.record("pending")
    server.paths.registry.write_text("{")
    outcome = server.member("status")
    assert outcome.status == 1
    assert outcome.out.startswith("Your request for pablo@runv.club -> p@example.org waits")
    assert outcome.err == (
        f"The registry {server.paths.registry} cannot be used: a JSON object of aliases was expected. Mend the file.\n"
    )


def test_an_entry_of_somebody_else_that_breaks_the_schema_is_no_trouble(server: Server) -> None:
    server.registry(pablo=entry(), maria={"alias": 1})
    assert server.member("status").status == 0


def test_a_missing_registry_is_told(server: Server) -> None:
    server.paths.registry.unlink()
    outcome = server.member("status")
    assert outcome.status == 1
    assert outcome.err == (
        f"The registry {server.paths.registry} is not there. An administrator makes it, at first with the contents "
        "{}.\n"
    )


def test_json_has_the_same_keys_whatever_there_is(server: Server) -> None:
    empty = server.member("status", "--json").json
    assert empty == {
        "username": "pablo",
        "alias": "pablo@runv.club",
        "state": "none",
        "active": None,
        "held_up": False,
        "pending": None,
        "ended": None,
        "last": None,
        "queued": 0,
        "watcher_running": False,
        "problems": [],
    }
    assert list(empty) == KEYS
    server.paths.registry.unlink()
    assert list(server.member("status", "--json").json) == KEYS


def test_json_tells_everything(server: Server) -> None:
    server.status()
    server.registry(pablo=entry())
    pending = server.record("pending", at=LATER, destination="new@example.org")
    last = server.record("rejected", decided_at=LATER, reason="No.")
    found = server.member("status", "--json").json
    assert found["state"] == "change-pending"
    assert found["active"] == {"destination": "p@example.org", "since": ASKED}
    assert found["pending"] == {
        "request_id": pending.request_id,
        "destination": "new@example.org",
        "since": LATER,
    }
    assert found["last"] == {
        "request_id": last.request_id,
        "action": "request",
        "status": "rejected",
        "destination": "p@example.org",
        "at": LATER,
        "reason": "No.",
    }
    assert found["watcher_running"] is True


@pytest.mark.parametrize(
    ("status", "state"), [("revoked", "revoked"), ("cancelled", "cancelled"), ("on hold", "inactive")]
)
def test_json_tells_how_an_alias_ended(server: Server, status: str, state: str) -> None:
    server.registry(pablo=entry(status=status, reason="Why not."))
    found: Any = server.member("status", "--json").json
    assert found["state"] == state
    assert found["active"] is None
    assert found["ended"] == {"status": status, "at": ASKED, "reason": "Why not."}


def test_json_states_of_requests(server: Server) -> None:
    states = []
    server.record("rejected")
    states.append(server.member("status", "--json").json["state"])
    server.record("refused", at=LATER)
    states.append(server.member("status", "--json").json["state"])
    server.record("pending", at="2026-06-02T08:00:00Z")
    states.append(server.member("status", "--json").json["state"])
    server.registry(pablo=entry(updated_at="2026-06-02T08:00:00Z"))
    states.append(server.member("status", "--json").json["state"])
    (server.paths.requests / "pending").joinpath("20260602T080000.000000Z-pablo-0123456789.json").unlink()
    states.append(server.member("status", "--json").json["state"])
    server.paths.registry.unlink()
    states.append(server.member("status", "--json").json["state"])
    assert states == ["rejected", "refused", "pending", "change-pending", "active", "unknown"]


def test_an_account_without_a_name_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "member", lambda: None)
    outcome = server.member("status")
    assert outcome.status == 1
    assert outcome.err.startswith(f"Your user id {server.uid} has no account name on this server")


@pytest.mark.needs("root")
def test_files_of_others_are_not_counted_as_ones_own(server: Server) -> None:
    path = server.paths.queue / "x.json"
    path.write_text("{}")
    os.chown(path, server.uid + 1, -1)
    assert server.member("status", "--json").json["queued"] == 0
