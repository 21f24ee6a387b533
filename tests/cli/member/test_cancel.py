import json

import pytest

from schemas.status import Conflict
from tests.cli.conftest import Server, entry


def test_a_waiting_request_is_withdrawn(server: Server) -> None:
    server.status()
    server.record("pending")
    with server.played(lambda watcher: watcher.take_in("cancelled", destination="p@example.org")):
        outcome = server.member("cancel")
    assert outcome == (0, "Your request for pablo@runv.club -> p@example.org is withdrawn.\n", "")


def test_a_withdrawal_asks_for_no_more_than_that(server: Server) -> None:
    server.status()
    server.record("pending")
    server.member("cancel", "--no-wait")
    (path,) = server.queue()
    assert json.loads(path.read_bytes()) == {"action": "cancel"}


def test_with_nothing_waiting_nothing_is_handed_in(server: Server) -> None:
    server.status()
    before = server.everything()
    sentence = "You have no request waiting, so there is nothing to withdraw."
    assert server.member("cancel") == (1, "", f"{sentence}\n")
    assert server.everything() == before


def test_with_nothing_waiting_the_way_to_switch_off_is_told(server: Server) -> None:
    server.registry(pablo=entry())
    assert server.member("cancel") == (
        1,
        "",
        "You have no request waiting, so there is nothing to withdraw. To switch pablo@runv.club off: runv-email-alias "
        "cancel --active\n",
    )


def test_a_request_that_was_not_taken_in_yet_can_be_withdrawn_too(server: Server) -> None:
    assert server.member("request", "me@example.org").status == 75
    assert server.member("cancel").status == 75
    assert len(server.queue()) == 2


def test_a_cancel_that_is_refused_tells_why(server: Server) -> None:
    server.status()
    server.record("pending")
    with server.played(lambda watcher: watcher.take_in("refused", reason="There is no pending request to cancel.")):
        outcome = server.member("cancel")
    assert outcome == (1, "", "The cancel was refused: There is no pending request to cancel.\n")


def test_an_active_alias_is_switched_off(server: Server) -> None:
    server.status()
    server.registry(pablo=entry())
    with server.played(lambda watcher: watcher.take_in("cancelled")):
        outcome = server.member("cancel", "--active")
    assert outcome == (
        0,
        "pablo@runv.club is switched off; the mail server stops accepting mail for it within moments.\n",
        "",
    )


def test_switching_off_does_not_claim_that_mail_stops_where_something_else_holds_the_address(server: Server) -> None:
    server.status(conflicts=[Conflict("pablo@runv.club", "p@example.org", ["secret@elsewhere.example"])])
    server.registry(pablo=entry())
    with server.played(lambda watcher: watcher.take_in("cancelled")):
        outcome = server.member("cancel", "--active")
    assert outcome == (
        0,
        "pablo@runv.club is switched off, but something else on the server holds the address and may go on taking mail "
        "for it. Ask an administrator.\n",
        "",
    )


@pytest.mark.parametrize(
    ("problems", "enabled"),
    [([], False), ([("publish-failed", "The disk is full.")], True), ([("publish-held", "It is too much.")], True)],
)
def test_switching_off_does_not_claim_that_mail_stops_where_the_mail_server_does_not_follow(
    server: Server, problems: list[tuple[str, str]], enabled: bool
) -> None:
    server.status(*problems, enabled=enabled)
    server.registry(pablo=entry())
    with server.played(lambda watcher: watcher.take_in("cancelled")):
        outcome = server.member("cancel", "--active")
    assert outcome == (
        0,
        "pablo@runv.club is switched off, but the mail server does not follow at the moment, and may go on taking mail "
        "for it until an administrator has put that right.\n",
        "",
    )


def test_switching_off_asks_for_just_that(server: Server) -> None:
    server.registry(pablo=entry())
    assert server.member("cancel", "--active").status == 75
    (path,) = server.queue()
    assert json.loads(path.read_bytes()) == {"action": "cancel", "scope": "active"}


@pytest.mark.parametrize("entries", [{}, {"pablo": entry(status="revoked")}, {"pablo": entry(uid=4242)}])
def test_with_no_active_alias_nothing_is_handed_in(server: Server, entries: dict[str, dict[str, object]]) -> None:
    server.registry(**entries)
    before = server.everything()
    assert server.member("cancel", "--active") == (
        1,
        "",
        "pablo@runv.club is not active, so there is nothing to switch off.\n",
    )
    assert server.everything() == before


def test_with_a_broken_registry_switching_off_is_left_to_the_watcher(server: Server) -> None:
    server.paths.registry.write_text("{")
    assert server.member("cancel", "--active").status == 75
    assert len(server.queue()) == 1
