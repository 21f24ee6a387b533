"""No destination that is accepted changes how many recipients Postfix resolves: one alias, one address.

Members hand in what could be an address of some kind, an administrator approves whatever waits, and a message goes to
each alias. Postfix has to relay each of them once, to the address that was asked for.
"""

import os
import re
import smtplib
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import Phase, given, settings

from schemas.addresses import DestinationRefusedError, check_destination

from ..e2e.acts import decision, settle
from ..support.install import Installation
from ..support.needs import require
from ..support.postfix import PrivatePostfix
from ..support.sink import Sink
from ..support.site import Site
from ..support.steady import STEADY
from ..support.waiting import wait_for
from .addresses import ADDRESSES

EXAMPLES = int(os.environ.get("RUNV_INJECTION_EXAMPLES", "600"))
"""How many addresses are made up; more than the usual number is worth while after a change of the rules."""

DOMAIN = "runv.club"


class Asked(NamedTuple):
    """What a member asked for, and the address that it stands for; `None` where it is refused."""

    name: str
    text: str
    address: str | None

    @property
    def alias(self) -> str:
        return f"{self.name}@{DOMAIN}"


def made_up() -> list[Asked]:
    texts: dict[str, None] = {}

    @settings(STEADY, max_examples=EXAMPLES, phases=[Phase.generate])
    @given(ADDRESSES)
    def collect(text: str) -> None:
        texts[text] = None

    collect()
    return [Asked(f"m{number:04d}", text, _accepted(text)) for number, text in enumerate(texts)]


def _accepted(text: str) -> str | None:
    try:
        return check_destination(text, DOMAIN)
    except DestinationRefusedError:
        return None


@pytest.fixture(scope="module")
def asked() -> list[Asked]:
    found = made_up()
    accepted = [each for each in found if each.address]
    # Otherwise little would have been tried.
    assert len(accepted) > EXAMPLES // 8
    assert len(found) - len(accepted) > EXAMPLES // 8
    return found


@pytest.fixture(scope="module")
def site(installation: Installation, asked: list[Asked]) -> Iterator[Site]:
    """A server on which everybody has asked, and whatever the watcher took was approved."""
    require("root", "accounts", "postfix", "postfix-hash")
    with Site(installation) as site:
        site.accounts.add_many(each.name for each in asked)
        for each in asked:
            site.drop(each.name, f"{each.name}.json", {"destination": each.text})
        site.start_watcher()
        # What is no JSON, a lone surrogate here, is given two seconds to be finished.
        site.wait_for(lambda: not os.listdir(site.paths.queue), what="an empty queue", timeout=60)
        for record in site.records("pending"):
            site.drop_marker(decision(record))
        settle(site)
        yield site


def test_the_watcher_takes_what_the_rules_take_and_nothing_else(site: Site, asked: list[Asked]) -> None:
    entries = {name: entry["destination"] for name, entry in site.registry().items()}
    assert entries == {each.name: each.address for each in asked if each.address}
    fields = {record["username"]: record["reason"] for record in site.records("refused")}
    assert fields.keys() == {each.name for each in asked if not each.address}
    assert all(reason.isprintable() for reason in fields.values())


def test_the_map_has_exactly_the_address_that_was_asked_for(site: Site, asked: list[Asked]) -> None:
    wanted = {each.alias: each.address for each in asked if each.address}
    text = "".join(f"{alias}\t{address}\n" for alias, address in sorted(wanted.items()))
    assert site.paths.map.read_bytes().decode("ascii") == text
    keys = "".join(f"{each.alias}\n" for each in asked)
    done = site.mail.run("postmap", "-q", "-", site.table, input=keys)
    assert (done.stderr, dict(line.split("\t") for line in done.stdout.splitlines())) == ("", wanted)
    done = site.mail.run("postmap", "-s", site.table)
    assert (done.stderr, dict(line.split("\t") for line in done.stdout.splitlines())) == ("", wanted)


@pytest.mark.parametrize("backend", ["postfix-btree", "postfix-cdb", "postfix-lmdb", "postfix-texthash"])
def test_every_type_of_map_answers_the_same(
    installation: Installation, site: Site, asked: list[Asked], backend: str
) -> None:
    require(backend)
    with Site(installation, backend=backend) as other:
        other.paths.registry.write_bytes(site.paths.registry.read_bytes())
        done = other.run(["runv-email-alias-watcher", "--once"])
        assert done.returncode == 0, done.stderr
        keys = "".join(f"{each.alias}\n" for each in asked)
        done = other.mail.run("postmap", "-q", "-", other.table, input=keys)
        found = dict(line.split("\t") for line in done.stdout.splitlines())
    assert (done.stderr, found) == ("", {each.alias: each.address for each in asked if each.address})


def test_a_message_goes_to_the_one_address_that_was_asked_for(site: Site, asked: list[Asked]) -> None:
    accepted = [each for each in asked if each.address]
    with Sink() as sink, PrivatePostfix(site.mail, relay_port=sink.port) as postfix:
        arrived = delivered(postfix, sink, [each.alias for each in accepted])
    assert arrived == {each.alias: [(each.address,)] for each in accepted}


def test_nor_does_an_extension_of_the_alias_make_another_recipient(site: Site, asked: list[Asked]) -> None:
    accepted = [each for each in asked if each.address][::4]
    site.mail.write(recipient_delimiter="+", swap_bangpath="yes", allow_percent_hack="yes")
    with Sink() as sink, PrivatePostfix(site.mail, relay_port=sink.port) as postfix:
        arrived = delivered(postfix, sink, [f"{each.name}+a.b=c@{DOMAIN}" for each in accepted])
    # Postfix hands the extension on to the address (propagate_unmatched_extensions in postconf(5)).
    wanted = {f"{each.name}+a.b=c@{DOMAIN}": [(_extended(each.address or ""),)] for each in accepted}
    assert arrived == wanted


def _extended(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}+a.b=c@{domain}"


def delivered(postfix: PrivatePostfix, sink: Sink, recipients: list[str]) -> dict[str, list[tuple[str, ...]]]:
    """Send one message to each of *recipients*; give to whom each of them was relayed, when Postfix has no more."""
    with smtplib.SMTP("127.0.0.1", postfix.port, local_hostname="client.elsewhere.test", timeout=60) as client:
        for recipient in recipients:
            client.sendmail("friend@elsewhere.test", [recipient], f"X-For: {recipient}\r\n\r\nHello.\r\n")
    log = postfix.config.directory / "log"
    wait_for(
        lambda: len(re.findall(r"qmgr\[\d+\]: \w+: removed$", postfix.log(), re.MULTILINE)) >= len(recipients),
        log,
        what="Postfix to have delivered everything",
        timeout=60,
    )
    assert "status=sent" in postfix.log()
    assert not re.findall(r"status=(?!sent).*", postfix.log())
    found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for envelope in sink.envelopes:
        headers = re.findall(rb"^X-For: (\S+)\r?$", envelope.content, re.MULTILINE)
        assert len(headers) == 1, envelope.content
        found[headers[0].decode()].append(envelope.recipients)
    return dict(found)
