"""Which outside addresses mail may be forwarded to, and in which words the others are refused."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.addresses import ADDRESS_BYTES, DESTINATION_ROW, DestinationRefusedError, check_destination
from tests.support import reasons

DOMAIN = "runv.club"

SPACE = "The address has a space or a control character in it. Give one plain address."
COMMA = "The address has a comma or semicolon in it. An alias has exactly one address."
NOT_ONE = "That is not an address. Give one with a name, an '@' and a domain."
QUOTED = "The part before the '@' is quoted, which is not accepted here."
ROUTE = "The part before the '@' holds '%' or '!', which some mail servers take for a route."
CHARACTERS = "The part before the '@' may only hold unaccented letters, digits, single dots"
LITERAL = "The part after the '@' is an IP address. Give a domain name."
LOOP = "The address is in runv.club itself, so mail to it would come back here. Give an address elsewhere."
TOO_LONG = "and at most 254 fit."


def wide(text: str) -> str:
    """*text* in the full-width letters of East Asian fonts, which stand for the plain ones in a domain."""
    return "".join(chr(ord(character) + 0xFEE0) if character != "." else "\u3002" for character in text)


LABELS = ".".join(["b" * 61, "b" * 61, "b" * 61])
"""With a local part of 64 characters and `.org` this makes an address of 254 bytes."""


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("me@example.org", "me@example.org"),
        ("Me.Too+tag@Example.ORG", "Me.Too+tag@example.org"),
        ("me@example.com", "me@example.com"),
        ("me@mail.example.net", "me@mail.example.net"),
        ("me@box.example", "me@box.example"),
        ("a#$&'*+-/=?^_`{|}~z@example.org", "a#$&'*+-/=?^_`{|}~z@example.org"),
        ("1@1.example.org", "1@1.example.org"),
        ("me@bücher.example.org", "me@xn--bcher-kva.example.org"),
        ("me@BÜCHER.example.org", "me@xn--bcher-kva.example.org"),
        ("me@xn--bcher-kva.example.org", "me@xn--bcher-kva.example.org"),
        ("me@" + wide("example.org"), "me@example.org"),
        ("me@notrunv.club", "me@notrunv.club"),
        ("me@runv.club.example.org", "me@runv.club.example.org"),
        ("x" * 64 + "@example.org", "x" * 64 + "@example.org"),
        ("me@" + "b" * 63 + ".org", "me@" + "b" * 63 + ".org"),
        ("x" * 64 + "@" + LABELS + ".org", "x" * 64 + "@" + LABELS + ".org"),
    ],
)
def test_a_plain_outside_address_is_accepted_in_its_ascii_form(text: str, address: str) -> None:
    assert check_destination(text, DOMAIN) == address


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The address is empty. Give one address, such as me@example.org."),
        ("  \t", "The address is empty. Give one address, such as me@example.org."),
        (" me@example.org", SPACE),
        ("me@example.org\n", SPACE),
        ("me@example.org\r\nBcc: eve@example.org", SPACE),
        ("me@exam\x00ple.org", SPACE),
        ("me@example.org\u202e", SPACE),
        ("me@\u200bexample.org", SPACE),
        ("me\t@example.org", SPACE),
        ("Me <me@example.org>", SPACE),
        ("me @example.org", SPACE),
        ("me@example.org,eve@example.org", COMMA),
        ("me,eve@example.org", COMMA),
        ("me@example.org;eve@example.org", COMMA),
        ("me", NOT_ONE),
        ("me@", NOT_ONE),
        ("@example.org", NOT_ONE),
        ('"me"@example.org', QUOTED),
        ('"|/bin/sh"@example.org', QUOTED),
        ("me%example.net@example.org", ROUTE),
        ("example.net!me@example.org", ROUTE),
        ("-oQ/tmp@example.org", "The part before the '@' begins with '-', which programs misread."),
        ("/etc/passwd@example.org", "The part before the '@' begins with '/', which programs misread."),
        ("|sh@example.org", "The part before the '@' begins with '|', which programs misread."),
        (":include:/etc/passwd@example.org", CHARACTERS),
        ("josé@example.org", CHARACTERS),
        (wide("me") + "@example.org", CHARACTERS),
        ("me..too@example.org", CHARACTERS),
        (".me@example.org", CHARACTERS),
        ("me.@example.org", CHARACTERS),
        ("me@too@example.org", CHARACTERS),
        ("(me)@example.org", CHARACTERS),
        ("me\\@example.org", CHARACTERS),
        ("x" * 65 + "@example.org", "The part before the '@' has 65 octets, and at most 64 are allowed."),
        ("me@[192.0.2.1]", LITERAL),
        ("me@[IPv6:2001:db8::1]", LITERAL),
        ("me@192.0.2.1", "It is not within a valid top-level domain."),
        ("me@localhost", "It should have a period."),
        ("me@mailserver", "It should have a period."),
        ("me@example.org.", "An email address cannot end with a period."),
        ("me@example..org", "An email address cannot have two periods in a row."),
        ("me@-example.org", "The address is not accepted:"),
        ("me@exa_mple.org", "contains invalid characters: '_'."),
        ("me@example.org>", "The address is not accepted:"),
        ("me@xn--a.org", "The address is not accepted:"),
        ("me@" + "b" * 64 + ".org", "The address is not accepted:"),
        ("x" * 64 + "@" + LABELS + "b.org", "The address"),
        ("me@" + "b." * 130 + "org", TOO_LONG),
        ("me@" + "ü" * 16000 + ".org", TOO_LONG),
        ("me@" + ".".join(["ü" * 50] * 4) + ".org", "The address"),
        ("x" * 64 + "@" + ".".join(["b" * 40 + "ü"] * 4) + ".org", "octets in the form that mail uses, and"),
        ("me@runv.club", LOOP),
        ("me@RUNV.Club", LOOP),
        ("me@mail.runv.club", LOOP),
        ("me@" + wide("runv.club"), LOOP),
    ],
)
def test_any_other_address_is_refused_with_a_sentence_that_says_why(text: str, sentence: str) -> None:
    with pytest.raises(DestinationRefusedError) as refusal:
        check_destination(text, DOMAIN)
    assert sentence in str(refusal.value)
    assert str(refusal.value).isprintable()
    reasons.check({"reason": refusal.value.reason.text, "reason_code": refusal.value.reason.code})


@pytest.mark.parametrize(
    "domain",
    ["test", "invalid", "localhost", "local", "onion", "arpa", "home.arpa", "alt", "internal", "localdomain"],
)
def test_a_domain_of_special_use_receives_no_mail(domain: str) -> None:
    for below in (f"me@host.{domain}", f"me@a.host.{domain}"):
        with pytest.raises(DestinationRefusedError, match=r"special.use"):
            check_destination(below, DOMAIN)


_DOMAINS = st.one_of(
    st.from_regex(r"[a-z0-9ü.-]{1,12}\.(org|ORG|club|internal|test)", fullmatch=True),
    st.sampled_from(["runv.club", "x.runv.club", "example.org", "xn--bcher-kva.example.org", "bücher.example.org"]),
    st.text(max_size=300),
)
_ADDRESSES = st.one_of(
    st.text(st.characters(), max_size=300),
    st.builds("{}@{}".format, st.from_regex(r"[A-Za-z0-9.#'*/=?^_`{|}~%!,-]{1,70}", fullmatch=True), _DOMAINS),
    st.emails(),
)


@given(_ADDRESSES)
@example("x" * 64 + "@" + LABELS + ".org")
@example("me@ﬃ.example.org")
@example("me@ß.example.org")
def test_whatever_is_accepted_is_one_plain_outside_address(text: str) -> None:
    address = ""
    try:
        address = check_destination(text, DOMAIN)
    except DestinationRefusedError as refusal:
        message = str(refusal)
    else:
        message = ""
    assert message.isprintable()
    if message:
        return
    assert re.fullmatch(DESTINATION_ROW, address)
    assert address.isascii()
    assert len(address) <= ADDRESS_BYTES
    assert address.count("@") == 1
    local, _, domain = address.partition("@")
    assert len(local) <= 64
    assert local == text.rpartition("@")[0]
    assert domain == domain.lower()
    assert domain != DOMAIN
    assert not domain.endswith("." + DOMAIN)
    assert check_destination(address, DOMAIN) == address


@given(st.from_regex(DESTINATION_ROW, fullmatch=True))
def test_a_row_of_the_map_holds_one_recipient_whoever_made_the_registry(text: str) -> None:
    assert re.fullmatch(r"[^\s,;:<>()\"\\@|!%/-][^\s,;:<>()\"\\@!%]*@[A-Za-z0-9.-]+\.[A-Za-z0-9-]+", text)
    assert text.isascii()


@pytest.mark.parametrize(
    "text",
    ["", "me", "me@example", "me@example.org\n", "me@example.org,eve@example.org", "me@example.org eve@example.org",
     "me@example.org\teve@x.org", "|sh@example.org", "/tmp/x@example.org", "-f@example.org", "me@-x.org",
     "é@example.org", "@example.org", "a..b@example.org", "me@ü.org", "me%x@example.org", "x!me@example.org",
     "me@x.org\r"],
)  # fmt: skip
def test_a_row_of_the_map_is_no_other_text(text: str) -> None:
    assert not re.fullmatch(DESTINATION_ROW, text)
