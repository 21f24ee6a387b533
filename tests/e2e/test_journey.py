"""From a member's request to a message that arrives outside, with the real programs and a real Postfix."""

import json

import pytest

from ..support.accounts import Membership
from ..support.postfix import PrivatePostfix
from ..support.sink import Sink
from ..support.site import Record, Site
from ..support.waiting import wait_for
from ..support.watcher import RunningWatcher
from .acts import activate, ask, entry, publish, settle, write_registry

SUDO = {"SUDO_USER": "pmurad-admin"}


@pytest.fixture
def postfix(site: Site, watcher: RunningWatcher) -> PrivatePostfix:
    assert watcher.running
    return site.start_postfix()


@pytest.fixture
def outside(site: Site, postfix: PrivatePostfix) -> Sink:
    del postfix
    assert site.sink is not None
    return site.sink


def told_moment(record: Record, key: str = "created_at") -> str:
    """A moment of a record as the commands write it."""
    return f"{record[key][:10]} {record[key][11:16]} UTC"


@pytest.mark.parametrize("membership", ["primary", "listed"])
def test_mail_reaches_the_outside_address_once_a_request_is_approved(
    site: Site, postfix: PrivatePostfix, outside: Sink, membership: Membership
) -> None:
    site.accounts.add("pablo", membership=membership)

    asked = site.member("pablo", "request", "p@example.org")

    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout == (
        "Your request for pablo@runv.club -> p@example.org now waits for an administrator; `runv-email-alias status` "
        "tells how it stands.\n"
    )
    record = site.pending("pablo")
    assert record is not None
    assert postfix.send("pablo@runv.club").code == 550

    listed = site.admin("pending")
    assert listed.returncode == 0
    assert listed.stdout == (
        "MEMBER  DESTINATION    INSTEAD OF  SINCE (UTC)\n"
        f"pablo   p@example.org  -           {told_moment(record).removesuffix(' UTC')}\n"
    )

    approved = site.admin("approve", "pablo", env=SUDO)

    assert (approved.returncode, approved.stderr) == (0, "")
    assert approved.stdout == (
        f"pablo@runv.club -> p@example.org (asked {told_moment(record)})\n"
        "Approved: mail to pablo@runv.club now goes to p@example.org.\n"
    )
    assert postfix.send("pablo@runv.club", text="Dear Pablo.\n").accepted
    assert b"Dear Pablo." in outside.wait_for("p@example.org").content
    assert site.registry()["pablo"]["approved_by"] == "pmurad-admin"
    status = site.member("pablo", "status")
    assert status.stdout == (
        f"Mail to pablo@runv.club goes to p@example.org, since {told_moment(site.registry()['pablo'])}.\n"
    )


def test_mail_goes_on_to_the_old_address_until_a_change_is_approved(
    site: Site, postfix: PrivatePostfix, outside: Sink
) -> None:
    site.accounts.add("pablo")
    activate(site, "pablo", "old@example.org")

    asked = site.member("pablo", "request", "new@example.net")

    assert asked.returncode == 0
    assert asked.stdout.splitlines()[0] == (
        "Mail to pablo@runv.club goes on to old@example.org; the destination changes only after an administrator "
        "approves."
    )
    assert postfix.send("pablo@runv.club").accepted
    outside.wait_for("old@example.org")
    record = site.pending("pablo")
    assert record is not None
    assert site.member("pablo", "status").stdout.splitlines()[1] == (
        "Your request to change it to new@example.net waits for an administrator, since "
        f"{told_moment(record)}; until it is approved, nothing changes."
    )

    assert site.admin("approve", "pablo").returncode == 0

    assert postfix.send("pablo@runv.club").accepted
    outside.wait_for("new@example.net")
    assert len(outside.received("old@example.org")) == 1


def test_a_request_that_was_withdrawn_cannot_be_approved_any_more(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    site.accounts.add("pablo")
    ask(site, "pablo", "p@example.org")

    cancelled = site.member("pablo", "cancel")
    approved = site.admin("approve", "pablo")

    assert cancelled.returncode == 0
    assert cancelled.stdout == "Your request for pablo@runv.club -> p@example.org is withdrawn.\n"
    assert approved.returncode == 1
    assert approved.stderr == "pablo has no request waiting. See: runv-admin-email-alias pending\n"
    assert site.registry() == {}
    assert [(record["action"], record["destination"]) for record in site.records("cancelled")] == [
        ("request", "p@example.org"),
        ("cancel", "p@example.org"),
    ]


def test_mail_is_refused_with_550_once_a_member_has_switched_the_alias_off(
    site: Site, postfix: PrivatePostfix, outside: Sink
) -> None:
    site.accounts.add("pablo")
    activate(site, "pablo", "p@example.org")
    assert postfix.send("pablo@runv.club").accepted
    outside.wait_for("p@example.org")

    cancelled = site.member("pablo", "cancel", "--active")

    assert cancelled.returncode == 0
    assert cancelled.stdout == (
        "pablo@runv.club is switched off; the mail server stops accepting mail for it within moments.\n"
    )
    settle(site)
    refused = postfix.send("pablo@runv.club")
    assert refused.code == 550
    assert "User unknown in virtual alias table" in refused.text
    assert len(outside.envelopes) == 1
    ended = site.registry()["pablo"]
    assert (ended["status"], ended["destination"]) == ("cancelled", "p@example.org")
    assert site.member("pablo", "status").stdout == (
        f"You switched pablo@runv.club off on {told_moment(ended, 'updated_at')}.\n"
    )


def test_a_member_reads_why_a_request_was_rejected(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    site.accounts.add("pablo")
    ask(site, "pablo", "p@example.org")

    rejected = site.admin("reject", "pablo", "--reason", "That address bounces.", env=SUDO)

    assert rejected.returncode == 0
    assert rejected.stdout == (
        "Rejected: pablo@runv.club -> p@example.org. pablo reads the reason with `runv-email-alias status`.\n"
    )
    (record,) = site.records("rejected")
    assert (record["reason"], record["decided_by"]) == ("That address bounces.", "pmurad-admin")
    assert site.member("pablo", "status").stdout == (
        f"Your request for p@example.org was rejected on {told_moment(record, 'decided_at')}: That address bounces.\n"
    )
    assert site.map_lookup("pablo@runv.club") is None


def test_mail_is_refused_with_550_once_an_administrator_has_revoked_the_alias(
    site: Site, postfix: PrivatePostfix
) -> None:
    site.accounts.add("pablo")
    activate(site, "pablo", "p@example.org")

    revoked = site.admin("revoke", "pablo", "--reason", "The account was closed.")

    assert (revoked.returncode, revoked.stderr) == (0, "")
    assert revoked.stdout == "Revoked: mail to pablo@runv.club no longer goes to p@example.org.\n"
    assert postfix.send("pablo@runv.club").code == 550
    ended = site.registry()["pablo"]
    assert site.member("pablo", "status").stdout == (
        f"An administrator switched pablo@runv.club off on {told_moment(ended, 'updated_at')}: "
        "The account was closed.\n"
    )


def test_mail_follows_a_hand_edit_of_the_registry(site: Site, postfix: PrivatePostfix, outside: Sink) -> None:
    site.accounts.add("pablo")
    activate(site, "pablo", "p@example.org")

    publish(site, {"pablo": entry("pablo", "edited@Example.NET"), "maria": entry("maria", "m@example.org")})

    for member, destination in (("pablo", "edited@example.net"), ("maria", "m@example.org")):
        assert postfix.send(f"{member}@runv.club").accepted
        outside.wait_for(destination)
    assert outside.received("p@example.org") == []


def test_what_the_registry_holds_besides_stays_byte_for_byte(site: Site, watcher: RunningWatcher) -> None:
    """Other statuses, unknown fields and odd notations are the administrator's own, and so is the order."""
    assert watcher.running
    site.accounts.add("pablo")
    zoe = (
        b'{"username": "zoe","alias":"zoe@runv.club",  "destination": "z@example.org", "status": "suspended", "n": 1e2}'
    )
    maria = (
        b'{"note": "caf\\u00e9 \xc3\xa9", "alias": "Maria@runv.club", "status": "active",'
        b' "destination": "m@example.org"}'
    )
    old = b'{"status": "cancelled", "alias": "ana@elsewhere.example"}'
    data = b'{"zoe": ' + zoe + b',\n\n"maria": ' + maria + b', "ana": ' + old + b"}"
    digest = write_registry(site, data)
    wait_for(lambda: site.map_lookup("maria@runv.club"), site.paths.postfix, what="the edited registry in the map")
    settle(site)
    assert site.status()["published"]["registry_sha256"] == digest
    assert site.paths.registry.read_bytes() == data

    activate(site, "pablo", "p@example.org")

    written = site.paths.registry.read_bytes()
    assert list(json.loads(written)) == ["zoe", "maria", "ana", "pablo"]
    for kept in (zoe, maria, old):
        assert kept in written
    assert site.map_lookup("zoe@runv.club") is None
    assert site.map_lookup("maria@runv.club") == "m@example.org"
    found = site.paths.registry.stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o640, 0, site.accounts.gid)
