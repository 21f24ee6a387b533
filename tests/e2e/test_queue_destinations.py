"""Which outside addresses are accepted: by the watcher, and in the same words by the member command."""

from collections.abc import Iterator

import pytest

from ..support.install import Installation
from ..support.needs import require
from ..support.site import Site
from ..support.waiting import wait_for
from .queue_site import newcomer, refusal


@pytest.fixture(scope="module")
def site(installation: Installation) -> Iterator[Site]:
    """One server for all of these, each with a member of its own."""
    require("root", "accounts", "postfix", "postfix-hash")
    with Site(installation) as site:
        site.start_watcher()
        yield site


def shown(destination: str) -> str:
    return ascii(destination)[1:30]


EMPTY = "The address is empty. Give one address, such as me@example.org."
SPACE = "The address has a space or a control character in it. Give one plain address."
COMMA = "The address has a comma or semicolon in it. An alias has exactly one address."
NONE = "That is not an address. Give one with a name, an '@' and a domain."
QUOTED = "The part before the '@' is quoted, which is not accepted here."
ROUTE = "The part before the '@' holds '%' or '!', which some mail servers take for a route."
LEADING = "The part before the '@' begins with {!r}, which programs misread."
LETTERS = (
    "The part before the '@' may only hold unaccented letters, digits, single dots between them and the characters # "
    "$ & ' * + - / = ? ^ _ ` { | } ~."
)
LONG_LOCAL = "The part before the '@' has 65 octets, and at most 64 are allowed."
IP = "The part after the '@' is an IP address. Give a domain name."
LOOP = "The address is in runv.club itself, so mail to it would come back here. Give an address elsewhere."
SPECIAL = "The domain {} is set apart for special use and receives no mail. Give a public address."
# The words behind these are email-validator's, or the length is noticed there first.
NOT_ACCEPTED = "The address is not accepted: "
LONG = "The address "

REFUSED = {
    "": EMPTY,
    " me@example.org": SPACE,
    "me@example.org\nthief@example.net": SPACE,
    "me@example.org\tthief@example.net": SPACE,
    "me@example.org\x1b[2J": SPACE,
    "me\u202e@example.org": SPACE,
    "me@example.org thief@example.net": SPACE,
    "me@example.org,thief@example.net": COMMA,
    "me@example.org;thief@example.net": COMMA,
    "nobody": NONE,
    "@example.org": NONE,
    "me@": NONE,
    '"me"@example.org': QUOTED,
    "me%example.net@example.org": ROUTE,
    "example.net!me@example.org": ROUTE,
    "-me@example.org": LEADING.format("-"),
    "/etc/passwd@example.org": LEADING.format("/"),
    "|program@example.org": LEADING.format("|"),
    "josé@example.org": LETTERS,
    "a..b@example.org": LETTERS,
    ".me@example.org": LETTERS,
    "<me@example.org>": LETTERS,
    "me@example.org@example.net": LETTERS,
    f"{'x' * 65}@example.org": LONG_LOCAL,
    "me@[192.0.2.1]": IP,
    "me@[IPv6:2001:db8::1]": IP,
    "me@192.0.2.1": NOT_ACCEPTED,
    "me@localhost": NOT_ACCEPTED,
    "me@server": NOT_ACCEPTED,
    "me@server.local": NOT_ACCEPTED,
    "me@home.arpa": NOT_ACCEPTED,
    "me@hidden.onion": NOT_ACCEPTED,
    "me@nowhere.invalid": NOT_ACCEPTED,
    "me@server.internal": SPECIAL.format("server.internal"),
    "me@-example.org": NOT_ACCEPTED,
    "me@example..org": NOT_ACCEPTED,
    f"me@{'x' * 64}.org": NOT_ACCEPTED,
    f"{'x' * 64}@{'.'.join(['x' * 60] * 4)}.org": LONG,
    "me@runv.club": LOOP,
    "me@RUNV.club": LOOP,
    "me@mail.runv.club": LOOP,
}


@pytest.mark.parametrize("destination", REFUSED, ids=shown)
def test_a_bad_destination_is_refused_with_its_reason(site: Site, destination: str) -> None:
    member = newcomer(site)

    path = site.drop(member.name, "request.json", {"destination": destination})

    record = refusal(site, member.name, path)
    reason = record["reason"]
    assert reason.startswith(REFUSED[destination])
    assert REFUSED[destination] in {NOT_ACCEPTED, LONG} or reason == REFUSED[destination]
    assert reason.isprintable()
    assert site.pending(member.name) is None


ACCEPTED = {
    "me@example.org": "me@example.org",
    "Me.Too+tag@Mail.EXAMPLE.Org": "Me.Too+tag@mail.example.org",
    "a#b$c&d'e*f/g=h?i^j_k`l{m}n~o@example.net": "a#b$c&d'e*f/g=h?i^j_k`l{m}n~o@example.net",
    f"{'x' * 64}@example.org": f"{'x' * 64}@example.org",
    "me@bücher.example.org": "me@xn--bcher-kva.example.org",
    "me@notrunv.club": "me@notrunv.club",
}


@pytest.mark.parametrize("destination", ACCEPTED, ids=shown)
def test_a_good_destination_is_recorded_as_mail_will_be_sent_to_it(site: Site, destination: str) -> None:
    member = newcomer(site)

    site.drop(member.name, "request.json", {"destination": destination})

    record = wait_for(lambda: site.pending(member.name), site.paths.requests / "pending", what="the request")
    assert record is not None
    assert record["destination"] == ACCEPTED[destination]


@pytest.mark.parametrize(
    "destination", ["me@mail.runv.club", "-me@example.org", "me@example.org\nthief@example.net"], ids=shown
)
def test_the_member_command_says_the_same_and_hands_nothing_in(site: Site, destination: str) -> None:
    member = newcomer(site)

    done = site.member(member.name, "request", "--", destination)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{REFUSED[destination]}\n")
    assert [each for each in site.records("refused") if each["username"] == member.name] == []
