"""Which account names may have an alias."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.names import RESERVED, USERNAME, NameRefusedError, alias_of, check_username

# RFC 2142, sections 3 to 5, and the names that this server keeps for itself.
RFC_2142 = """info marketing sales support abuse noc security postmaster hostmaster usenet news webmaster www uucp
ftp"""
OUR_OWN = """root admin postmaster abuse security support contato contact noreply no-reply mailer-daemon hostmaster
webmaster entre join welcome"""


@pytest.mark.parametrize("name", ["ab", "pablo", "a1", "a-b_c", "x" * 32, "root2", "info-desk"])
def test_an_ordinary_account_name_may_have_an_alias(name: str) -> None:
    check_username(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "a", "x" * 33, "Pablo", "pabLo", "1pablo", "-pablo", "_pablo", "pablo.r", "pablo+x", "pablo@runv.club",
        "pa blo", "pablo\n", "\npablo", "pablo\x00", "josé", "\uff50ablo", "pablo\u202e", "../pablo", "pablo,maria",
    ],
)  # fmt: skip
def test_any_other_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(NameRefusedError, match="a lower-case letter followed by 1 to 31") as refusal:
        check_username(name)
    assert str(refusal.value).isprintable()
    assert refusal.value.reason == ("name-form", str(refusal.value))


@pytest.mark.parametrize("name", sorted({*RFC_2142.split(), *OUR_OWN.split()}))
def test_a_name_that_speaks_for_the_server_is_reserved(name: str) -> None:
    with pytest.raises(NameRefusedError, match=rf"The name {name} is reserved for the server itself") as refusal:
        check_username(name)
    assert refusal.value.reason == ("name-reserved", str(refusal.value))


def test_the_configs_own_list_adds_to_the_reserved_names_whatever_its_case() -> None:
    for name in ("staff", "root"):
        with pytest.raises(NameRefusedError, match="is reserved"):
            check_username(name, ["Staff", "boss"])
    check_username("pablo", ["Staff", "boss"])


@given(st.one_of(st.text(), st.text("abcxyz019-_", max_size=40), st.from_regex(USERNAME)))
def test_whatever_may_be_an_alias_is_short_plain_and_not_reserved(name: str) -> None:
    message = ""
    try:
        check_username(name)
    except NameRefusedError as refusal:
        message = str(refusal)
    assert message.isprintable()
    if not message:
        assert 2 <= len(name) <= 32
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
        assert name[0].isalpha()
        assert name not in RESERVED


def test_the_alias_is_the_name_in_the_alias_domain() -> None:
    assert alias_of("pablo", "runv.club") == "pablo@runv.club"
