import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from cli import identity
from tests.cli.conftest import Player, Server, as_nobody, entry

KEPT_NOT_RUNNING = (
    "It is kept in the queue and will be taken in when the watcher starts, which is not running now. "
    "`runv-email-alias status` tells how it stands.\n"
)


def test_a_request_that_was_taken_in_waits_for_an_administrator(server: Server) -> None:
    server.status()
    with server.played(lambda watcher: watcher.take_in("pending")):
        outcome = server.member("request", "me@example.org")
    assert outcome == (
        0,
        "Your request for pablo@runv.club -> me@example.org now waits for an administrator; `runv-email-alias status` "
        "tells how it stands.\n",
        "",
    )


def test_a_refusal_is_told_with_its_reason(server: Server) -> None:
    server.status()
    with server.played(lambda watcher: watcher.take_in("refused", reason="Its owner is no member.")):
        outcome = server.member("request", "me@example.org")
    assert outcome == (1, "", "Your request was refused: Its owner is no member.\n")


def test_a_request_that_was_decided_at_once_is_told_so(server: Server) -> None:
    server.status()
    with server.played(lambda watcher: watcher.take_in("rejected", reason="Not that one.")):
        outcome = server.member("request", "me@example.org")
    assert outcome == (1, "", "Your request for me@example.org has been rejected: Not that one.\n")
    with server.played(lambda watcher: watcher.take_in("approved")):
        outcome = server.member("request", "me@example.org")
    assert outcome == (0, "Your request for pablo@runv.club -> me@example.org has been approved already.\n", "")


def test_the_reason_of_a_refusal_cannot_reach_the_terminal_as_control_characters(server: Server) -> None:
    server.status()
    with server.played(lambda watcher: watcher.take_in("refused", reason="a\x1b[2Jb\u202ec\nd \\x1b")):
        outcome = server.member("request", "me@example.org")
    assert outcome.err == "Your request was refused: a\\x1b[2Jb\\u202ec\\nd \\x1b\n"


def test_a_file_that_is_gone_without_a_record_was_removed_by_somebody(server: Server) -> None:
    server.status()
    gone: list[Path] = []

    def remove(watcher: Player) -> None:
        gone.append(watcher.queue_file())
        gone[0].unlink()

    with server.played(remove):
        outcome = server.member("request", "me@example.org")
    assert outcome == (
        1,
        "",
        f"The file {gone[0]} is gone from the queue and there is no record of it: somebody removed it before it was "
        "taken in. Try again, and tell an administrator if it happens again.\n",
    )


def test_without_a_watcher_the_request_is_kept(server: Server) -> None:
    for ran_before in (False, True):
        if ran_before:
            server.status(running=False)
        outcome = server.member("request", "me@example.org")
        assert outcome == (75, "", KEPT_NOT_RUNNING)
        server.queue()[0].unlink()
    outcome = server.member("request", "me@example.org", "--no-wait")
    assert outcome == (75, "", KEPT_NOT_RUNNING)
    assert len(server.queue()) == 1


@pytest.mark.usefixtures("impatient")
def test_without_an_answer_in_time_the_request_is_kept(server: Server) -> None:
    server.status()
    outcome = server.member("request", "me@example.org")
    assert outcome.status == 75
    assert outcome.err.startswith("It is kept in the queue and will be taken in when the watcher gets to it;")
    assert len(server.queue()) == 1


def test_no_wait_returns_at_once(server: Server) -> None:
    server.status()
    outcome = server.member("request", "me@example.org", "--no-wait")
    assert outcome == (0, "Handed in. `runv-email-alias status` tells how it stands.\n", "")


def test_the_file_that_is_handed_in_is_private_and_its_name_tells_nothing(server: Server) -> None:
    server.member("request", "Me@Example.org", "--no-wait")
    (path,) = server.queue()
    assert json.loads(path.read_bytes()) == {"destination": "Me@example.org"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    name, _, random = path.stem.partition("-")
    assert name == "pablo"
    assert len(bytes.fromhex(random)) == 8


def test_two_files_that_are_handed_in_have_different_names(server: Server) -> None:
    server.member("request", "me@example.org", "--no-wait")
    server.member("request", "me@example.org", "--no-wait")
    assert len(server.queue()) == 2


def test_what_was_understood_is_shown_where_it_differs(server: Server) -> None:
    server.status()
    outcome = server.member("request", "me@münchen.example.org", "--no-wait")
    assert outcome.out.split("\n")[0] == "The address is understood as me@xn--mnchen-3ya.example.org."


@pytest.mark.parametrize(
    ("destination", "sentence"),
    [
        ("", "The address is empty. Give one address, such as me@example.org.\n"),
        ("me@runv.club", "The address is in runv.club itself, so mail to it would come back here. Give an address "
         "elsewhere.\n"),
        ("a@example.org,b@example.org", "The address has a comma or semicolon in it. An alias has exactly one "
         "address.\n"),
        ("a@example.org\nb@example.org", "The address has a space or a control character in it. Give one plain "
         "address.\n"),
    ],
)  # fmt: skip
def test_a_bad_destination_is_refused_and_nothing_handed_in(server: Server, destination: str, sentence: str) -> None:
    server.status()
    before = server.everything()
    assert server.member("request", destination) == (1, "", sentence)
    assert server.everything() == before


@pytest.mark.parametrize("name", ["root", "postmaster", "Pablo", "p"])
def test_a_name_that_can_have_no_alias_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(identity, "member", lambda: identity.Member(name, server.uid))
    before = server.everything()
    for arguments in (("request", "me@example.org"), ("cancel",), ("cancel", "--active")):
        outcome = server.member(*arguments)
        assert outcome.status == 1
        assert "name" in outcome.err
        assert "alias" in outcome.err
    assert server.everything() == before


def test_an_account_without_a_name_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "member", lambda: None)
    outcome = server.member("request", "me@example.org")
    assert outcome == (
        1,
        "",
        f"Your user id {os.getuid()} has no account name on this server, so it cannot have an alias. Tell an "
        "administrator.\n",
    )


def test_a_second_request_is_refused_while_one_waits(server: Server) -> None:
    server.status()
    server.record("pending", destination="first@example.org")
    before = server.everything()
    assert server.member("request", "me@example.org") == (
        1,
        "",
        "You already have a request for first@example.org waiting since 2026-05-19 20:55 UTC, and there can be one at "
        "a time. Withdraw it first: runv-email-alias cancel\n",
    )
    assert server.everything() == before


def test_a_waiting_request_of_an_earlier_account_of_that_name_is_not_ones_own(server: Server) -> None:
    server.status()
    server.record("pending", uid=server.uid + 1, destination="secret@example.org")
    outcome = server.member("request", "me@example.org", "--no-wait")
    assert outcome.status == 0
    assert "secret" not in outcome.out + outcome.err


def test_nothing_is_to_be_done_where_mail_already_goes_there(server: Server) -> None:
    server.status()
    server.registry(pablo=entry(destination="p@EXAMPLE.org"))
    before = server.everything()
    assert server.member("request", "p@example.org") == (
        0,
        "Nothing is to be done: mail to pablo@runv.club already goes to p@example.org.\n",
        "",
    )
    assert server.everything() == before


def test_a_change_warns_that_it_needs_approval(server: Server) -> None:
    server.status()
    server.registry(pablo=entry(uid=server.uid))
    outcome = server.member("request", "new@example.org", "--no-wait")
    assert outcome.out.split("\n")[0] == (
        "Mail to pablo@runv.club goes on to p@example.org; the destination changes only after an administrator "
        "approves."
    )


@pytest.mark.parametrize("fields", [{"uid": 4242}, {"status": "revoked"}])
def test_an_entry_that_is_not_ones_own_or_not_active_is_no_alias(server: Server, fields: dict[str, Any]) -> None:
    server.status()
    server.registry(pablo=entry(**fields))
    outcome = server.member("request", "p@example.org", "--no-wait")
    assert outcome == (0, "Handed in. `runv-email-alias status` tells how it stands.\n", "")


@pytest.mark.parametrize("contents", ["", "[]", '{"pablo": {"alias": 1}}'])
def test_a_broken_registry_does_not_keep_a_request_back(server: Server, contents: str) -> None:
    server.status()
    server.paths.registry.write_text(contents)
    assert server.member("request", "me@example.org", "--no-wait").status == 0
    assert len(server.queue()) == 1


def test_a_missing_queue_is_told(server: Server) -> None:
    server.paths.queue.rmdir()
    assert server.member("request", "me@example.org") == (
        1,
        "",
        f"The directory {server.paths.queue} is not there, so the alias service is not set up on this server. Tell an "
        "administrator.\n",
    )


@pytest.mark.needs("root")
@pytest.mark.parametrize("command", [("request", "me@example.org"), ("cancel",), ("cancel", "--active"), ("status",)])
def test_who_is_not_in_the_group_is_told_the_next_step(open_server: Server, command: tuple[str, ...]) -> None:
    with as_nobody():
        outcome = open_server.member(*command)
    assert outcome.status == 1
    assert outcome.err.split("\n")[0] == (
        f"You may not use the directory {open_server.paths.queue}: only members of the group {open_server.group} may. "
        "Log in again if you have just been added to the group; otherwise ask an administrator to add you."
    )


def test_records_that_were_never_made_count_as_none(server: Server) -> None:
    server.status()
    for folder in server.paths.requests.iterdir():
        folder.rmdir()
    assert server.member("request", "me@example.org", "--no-wait").status == 0


def test_a_file_that_another_member_swaps_while_it_is_written_is_not_taken_for_ones_own(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from schemas.fs.directory import Directory

    write = Directory.write_aside

    def write_and_swap(self: Directory, temporary: str, data: bytes, mode: int, gid: int | None = None) -> object:
        written = write(self, temporary, data, mode, gid)
        self.remove(temporary)
        write(self, temporary, b'{"action": "cancel", "scope": "active"}', 0o600)
        return written

    monkeypatch.setattr(Directory, "write_aside", write_and_swap)
    outcome = server.member("request", "me@example.org")
    assert outcome.status == 1
    assert outcome.err.startswith(f"Somebody changed the file in {server.paths.queue} while it was being written")
    assert not [path for path in server.queue() if not path.name.startswith(".")]


def test_a_record_that_is_written_between_two_looks_is_found(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from schemas.fs.directory import Directory

    server.status()
    has = Directory.has

    def take_in_first(self: Directory, name: str) -> bool:
        if self.path == str(server.paths.queue) and has(self, name):
            Player(server).take_in("approved")
        return has(self, name)

    monkeypatch.setattr(Directory, "has", take_in_first)
    assert server.member("request", "me@example.org").status == 0


def test_a_refusal_is_found_though_the_other_folders_were_never_made(server: Server) -> None:
    server.status()
    for folder in server.paths.requests.iterdir():
        if folder.name != "refused":
            folder.rmdir()
    with server.played(lambda watcher: watcher.take_in("refused", reason="No.")):
        assert server.member("request", "me@example.org").err == "Your request was refused: No.\n"


@pytest.mark.usefixtures("impatient")
def test_where_the_status_cannot_be_read_the_answer_is_waited_for(server: Server) -> None:
    server.paths.status.write_text("{")
    outcome = server.member("request", "me@example.org")
    assert outcome.status == 75
    assert "there was no answer within 0.02 seconds" in outcome.err
