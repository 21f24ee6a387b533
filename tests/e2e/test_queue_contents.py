"""What is written in a queue file: every bad one is refused with its reason, and harms nobody else."""

import json
import os
from collections.abc import Iterator

import pytest

from ..support.install import Installation
from ..support.needs import require
from ..support.site import Record, Site
from ..support.waiting import wait_for
from .acts import ask, settle
from .queue_site import counted, gone, newcomer, others_go_on, refusal

SHAPE = "The file was understood as JSON but not as a request. "
JSON = "The file was expected to hold one JSON object. "
FORGED = "The file belongs to {owner} but speaks for somebody else; {owner} can ask for {owner}@runv.club alone."


@pytest.fixture(scope="module")
def site(installation: Installation) -> Iterator[Site]:
    """One server for all of these, each with members of its own."""
    require("root", "accounts", "postfix", "postfix-hash")
    with Site(installation, reserved=["founder"]) as site:
        site.start_watcher()
        yield site


def request(**fields: object) -> bytes:
    return json.dumps({"destination": "me@example.org", **fields}).encode()


SHAPES = {
    "a list": (b'[{"destination": "me@example.org"}]', "It is JSON, but not an object: a list was found."),
    "a text": (b'"me@example.org"', "It is JSON, but not an object: a str was found."),
    "null": (b"null", "It is JSON, but not an object: a NoneType was found."),
    "nothing asked": (b"{}", "A request needs a `destination`."),
    "an unknown field": (request(admin=True), "Object contains unknown field `admin`."),
    "an escaped unknown field": (request(**{"a\x1b[2J": 1}), "Object contains unknown field `a\\x1b[2J`."),
    "a key twice": (
        b'{"destination": "me@example.org", "destination": "thief@example.net"}',
        "The key `destination` stands twice.",
    ),
    "a number for an address": (request(destination=5), "Expected `str | null`, got `int` - at `$.destination`."),
    "an unknown action": (request(action="approve"), "Invalid enum value 'approve' - at `$.action`."),
    "another status": (request(status="approved"), "Invalid enum value 'approved' - at `$.status`."),
    "a scope for a request": (request(scope="active"), "`scope` belongs to a cancel, not to a request."),
    "a destination for a cancel": (request(action="cancel"), "A cancel carries no `destination`."),
    "an endless reference": (
        request(request_id="x" * 129),
        "Expected `str` of length <= 128 - at `$.request_id`.",
    ),
    "a deep nest": (b'{"destination": ' + b"[" * 5000 + b"]" * 5000 + b"}", "It is nested too deep."),
}


@pytest.mark.parametrize("case", SHAPES)
def test_json_that_is_no_request_is_refused_at_once(site: Site, case: str) -> None:
    contents, reason = SHAPES[case]
    member = newcomer(site)

    path = site.drop(member.name, f"{member.name}.json", contents)

    assert refusal(site, member.name, path)["reason"] == SHAPE + reason
    assert site.pending(member.name) is None
    others_go_on(site)


def test_a_file_that_is_no_json_is_refused_after_it_has_had_its_time(site: Site) -> None:
    """All of them at once, since each is left alone for two seconds: it may still be being written."""
    wrong = {
        "empty": b"",
        "cut": b'{"destination": "me@exam',
        "prose": b"please forward my mail to me@example.org",
        "binary": bytes(range(256)),
        "latin": b'{"destination": "jos\xe9@example.org"}',
        "two": request() + request(),
        "nan": b'{"destination": NaN}',
        "mark": b"\xef\xbb\xbf" + request(),
    }
    members = {case: newcomer(site) for case in wrong}
    paths = {case: site.drop(members[case].name, f"{case}.json", data) for case, data in wrong.items()}

    others_go_on(site)
    settle(site)
    assert all(path.exists() for path in paths.values())

    for case, path in paths.items():
        reason = refusal(site, members[case].name, path)["reason"]
        assert reason.startswith(f"{JSON}It is not JSON: ")
        assert reason.endswith(".")
        assert reason.isprintable()


@pytest.mark.parametrize("size", [16 * 1024 + 1, 5_000_000])
def test_a_file_that_is_too_large_is_refused_whatever_it_says(site: Site, size: int) -> None:
    member = newcomer(site)

    path = site.drop(member.name, "large.json", request().ljust(size))

    found = "The file is larger than the 16384 octets that a request may have."
    assert refusal(site, member.name, path)["reason"] == found
    others_go_on(site)


def test_a_file_that_just_fits_is_taken(site: Site) -> None:
    member = newcomer(site)

    site.drop(member.name, "fits.json", request().ljust(16 * 1024))

    wait_for(lambda: site.pending(member.name), site.paths.requests / "pending", what="the request")


@pytest.mark.parametrize(
    "forged",
    [{"username": "{other}"}, {"alias": "{other}@runv.club"}, {"username": "root"}, {"alias": "{owner}@example.org"}],
)
def test_a_file_that_speaks_for_somebody_else_is_refused(site: Site, forged: Record) -> None:
    member, other = newcomer(site), newcomer(site)
    fields = {key: value.format(other=other.name, owner=member.name) for key, value in forged.items()}

    path = site.drop(member.name, "forged.json", request(**fields))

    assert refusal(site, member.name, path)["reason"] == FORGED.format(owner=member.name)
    settle(site)
    assert site.pending(other.name) is None
    assert ask(site, other.name, "me@example.org")["username"] == other.name


def test_the_fields_of_the_existing_servers_requests_are_accepted(site: Site) -> None:
    member = newcomer(site)

    record = ask(
        site,
        member.name,
        "me@example.org",
        request_id="5f0c-1",
        username=member.name,
        alias=f"{member.name}@runv.club",
        status="pending",
        created_at="2001-01-01T00:00:00Z",
    )

    assert (record["client_id"], record["uid"], record["status"]) == ("5f0c-1", member.uid, "pending")
    assert not record["created_at"].startswith("2001")


def test_a_second_request_is_refused_while_one_is_pending(site: Site) -> None:
    member = newcomer(site)
    first = ask(site, member.name, "first@example.org")

    path = site.drop(member.name, "second.json", {"destination": "second@example.org"})

    assert refusal(site, member.name, path)["reason"] == (
        f"A request for first@example.org is pending since {first['created_at']}. Cancel that one first if you want "
        "another address."
    )
    assert site.pending(member.name) == first


@pytest.mark.parametrize(
    ("scope", "reason"),
    [("pending", "There is no pending request to cancel."), ("active", "There is no active alias to switch off.")],
)
def test_a_cancel_with_nothing_to_cancel_is_refused(site: Site, scope: str, reason: str) -> None:
    member = newcomer(site)

    path = site.drop(member.name, "cancel.json", {"action": "cancel", "scope": scope})

    record = refusal(site, member.name, path)
    assert (record["reason"], record["action"]) == (reason, "cancel")
    assert member.name not in site.registry()


def test_an_active_cancel_leaves_the_pending_request_and_the_other_way_round(site: Site) -> None:
    member = newcomer(site)
    pending = ask(site, member.name, "me@example.org")

    path = site.drop(member.name, "cancel.json", {"action": "cancel", "scope": "active"})

    assert refusal(site, member.name, path)["reason"] == "There is no active alias to switch off."
    assert site.pending(member.name) == pending


def test_a_file_that_is_written_in_place_is_awaited_until_it_is_whole(site: Site) -> None:
    account = newcomer(site)
    path = site.paths.queue / "slow.json"
    with path.open("wb", buffering=0) as file:
        os.fchown(file.fileno(), account.uid, site.accounts.gid)
        os.fchmod(file.fileno(), 0o600)
        for piece in (b'{"destin', b'ation": "p@exam', b'ple.org"'):
            file.write(piece)
            settle(site)
            assert path.exists()
            assert site.pending(account.name) is None
        file.write(b"}")

    record = wait_for(lambda: site.pending(account.name), site.paths.requests / "pending", what="the request")
    assert record is not None
    assert record["destination"] == "p@example.org"
    gone(site, path)


def test_files_of_one_name_that_follow_one_another_are_all_judged(site: Site) -> None:
    """The kernel soon gives the number of an inode again, so that name and number are those of the file before."""
    member = newcomer(site)
    refused = counted(site)

    for _ in range(100):
        gone(site, site.drop(member.name, "again.json", b"[]"))

    assert counted(site) == refused + 100
    site.drop(member.name, "again.json", request())
    wait_for(lambda: site.pending(member.name), site.paths.requests / "pending", what="the request")
