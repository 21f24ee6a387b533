"""The registry: what is accepted, and that a broken one is told by entry and never counts as empty."""

import json
from typing import Any

import pytest

from schemas.errors import RegistryError
from schemas.registry import Registry, parse_registry

PATH = "/var/lib/runv/email-aliases.json"

# As the existing server writes it.
EXISTING = b"""{
  "pablo": {
    "username": "pablo",
    "alias": "pablo@runv.club",
    "destination": "P.R@Example.ORG",
    "status": "active",
    "created_at": "2026-05-19T20:55:18Z",
    "updated_at": "2026-05-19T20:55:18Z",
    "approved_by": "pmurad-admin"
  },
  "maria": {
    "username": "maria",
    "alias": "maria@runv.club",
    "destination": "m@example.org",
    "status": "cancelled"
  }
}
"""


def parse(data: bytes | dict[str, Any], known: Registry | None = None) -> Registry:
    return parse_registry(data if isinstance(data, bytes) else json.dumps(data).encode(), "runv.club", PATH, known)


def entry(name: str = "pablo", **fields: Any) -> dict[str, Any]:
    found = {"alias": f"{name}@runv.club", "destination": "p@example.org", "status": "active", **fields}
    return {key: value for key, value in found.items() if value is not ...}


def test_the_existing_servers_registry_is_understood() -> None:
    registry = parse(EXISTING)
    assert registry.rows() == {"pablo@runv.club": "P.R@example.org"}
    assert registry.entries["pablo"].approved_by == "pmurad-admin"
    assert registry.entries["pablo"].uid is None
    assert [entry.active for entry in registry.entries.values()] == [True, False]
    assert registry.data == EXISTING


def test_an_empty_registry_has_no_rows() -> None:
    assert parse(b"{}").rows() == {}
    assert parse(b" {\n}\n").rows() == {}


def test_only_active_entries_are_published() -> None:
    data = {name: entry(name, status=name) for name in ("cancelled", "revoked", "suspended", "pending", "")}
    data["pablo"] = entry()
    assert parse(data).rows() == {"pablo@runv.club": "p@example.org"}


def test_an_alias_written_in_capitals_is_published_in_lower_case() -> None:
    assert parse({"pablo": entry(alias="Pablo@RUNV.club")}).rows() == {"pablo@runv.club": "p@example.org"}


def test_history_may_hold_what_is_published_no_more() -> None:
    parse({"Old.Name": entry("x", alias="gone@elsewhere.example", destination="nobody", status="revoked")})
    parse({"pablo": entry(destination=..., status="revoked")})


def test_fields_and_values_that_are_not_ours_are_let_be() -> None:
    parse({"pablo": entry(notes=["a", {"b": None}], quota=12345678901234567890, x=1.5, uid=None, reason="kept")})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "It was expected to be a JSON object of aliases."),
        (b"[]", "It was expected to be a JSON object of aliases."),
        (b'{"pablo": ', "It was expected to be a JSON object of aliases."),
        (b'{"pablo": "\xff"}', "The entry `pablo` breaks the schema"),
        (b"\xff\xfe", "It was expected to be a JSON object of aliases."),
        (b'{"pablo": ' + b"[" * 50000 + b"]" * 50000 + b"}", ""),
        ({"pablo": None}, "The entry `pablo` breaks the schema: Expected `object`, got `null`."),
        ({"pablo": entry(alias=...)}, "The entry `pablo` breaks the schema: Object missing required field `alias`."),
        ({"pablo": entry(status=...)}, "missing required field `status`"),
        ({"pablo": entry(status=7)}, "Expected `str`, got `int` - at `$.status`"),
        ({"pablo": entry(uid="1001")}, "at `$.uid`"),
        ({"pablo": entry(uid=-1)}, "at `$.uid`"),
        ({"pablo": entry(alias="maria@runv.club")}, "The entry `pablo` has the alias `maria@runv.club`; `pablo@"),
        ({"pablo": entry(alias="pablo@elsewhere.org")}, "`pablo@runv.club` was expected"),
        ({"pablo": entry(alias="pablo@runv.club\n")}, r"has the alias `pablo@runv.club\n`"),
        ({"Pablo": entry("Pablo")}, "The entry `Pablo` has the alias"),
        ({"pa blo": entry("pa blo")}, "The entry `pa blo` has the alias"),
        ({"": entry("")}, "The entry `` has the alias"),
        ({"pablo": entry(username="maria")}, "The entry `pablo` has the username `maria`; its key was expected."),
        ({"pablo": entry(destination=...)}, "has the destination `None`; one plain address was expected."),
        ({"pablo": entry(destination="")}, "has the destination ``; one plain address was expected."),
        ({"pablo": entry(destination="p@example.org, q@example.org")}, "one plain address was expected."),
        ({"pablo": entry(destination="p@example.org\nq@runv.club\teve@example.org")}, r"p@example.org\nq@runv.club"),
        ({"pablo": entry(destination="|/bin/sh@example.org")}, "one plain address was expected."),
        ({"pablo": entry(destination="/etc/passwd")}, "one plain address was expected."),
        ({"pablo": entry(destination="root")}, "one plain address was expected."),
        ({"pablo": entry(destination="p@bücher.example.org")}, "one plain address was expected."),
        ({"pablo": entry(destination="x" * 250 + "@example.org")}, "one plain address was expected."),
    ],
)  # fmt: skip
def test_a_broken_registry_is_told_by_its_entry_with_the_next_step(data: bytes | dict[str, Any], message: str) -> None:
    with pytest.raises(RegistryError) as refusal:
        parse(data)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith(f"The registry {PATH} cannot be used. ")
    assert "Mend the file; until then the published map stays as it is and decisions wait." in str(refusal.value)
    assert str(refusal.value).isprintable()


def twice(first: str, second: str) -> bytes:
    one, other = json.dumps(entry()), json.dumps(entry(destination="eve@example.org"))
    return f"{{{first}: {one}, {second}: {other}}}".encode()


@pytest.mark.parametrize(
    "data",
    [
        twice('"pablo"', '"pablo"'),
        twice('"pablo"', '"\\u0070ablo"'),
        twice('"p\\u0061bl\\u006f"', '"pabl\\u006F"'),
        twice('"pa\\u0022blo"', '"pa\\"blo"'),
        b'{"pablo": {}, "pablo": ' + json.dumps(entry()).encode() + b"}",
        b'{"pablo": 1, "pablo": ' + json.dumps(entry()).encode() + b"}",
        b'{"pablo": {"destination": "eve@example.org", ' + json.dumps(entry()).encode()[1:] + b"}",
        b'{"pablo": {"st\\u0061tus": "revoked", ' + json.dumps(entry()).encode()[1:] + b"}",
        b'{"pablo": {"notes": [{"a": 1, "a": 2}], ' + json.dumps(entry()).encode()[1:] + b"}",
    ],
)
def test_a_key_that_stands_twice_is_refused_however_it_is_spelt(data: bytes) -> None:
    with pytest.raises(RegistryError, match=r"stands twice|breaks the schema"):
        parse(data)


@pytest.mark.parametrize("second", ['"pablo"', '"\\u0070ablo"'])
def test_a_second_entry_is_noticed_though_every_entry_is_known_already(second: str) -> None:
    known = parse({"pablo": entry(destination="eve@example.org"), "maria": entry("maria")})
    for data in (twice('"pablo"', second), twice(second, '"pablo"')):
        with pytest.raises(RegistryError, match="The key `pablo` stands twice"):
            parse(data, known)


def test_a_quotation_mark_in_a_key_is_no_second_key() -> None:
    data = {'pa"blo': entry("x", status="revoked"), "pablo": entry()}
    assert list(parse(data).entries) == ['pa"blo', "pablo"]


def test_what_is_known_does_not_change_what_is_found() -> None:
    first = {"pablo": entry(), "maria": entry("maria"), "old": entry("old", status="revoked")}
    known = parse(first)
    for second in (
        first,
        {},
        {"maria": entry("maria"), "pablo": entry()},
        {"pablo": entry(destination="q@example.org"), "ana": entry("ana"), "old": entry("old", status="revoked")},
        {"pablo": entry(), "maria": entry("maria", notes='a "quoted" word')},
    ):
        assert parse(second, known) == parse(second)
    with pytest.raises(RegistryError, match="The entry `maria`"):
        parse({"pablo": entry(), "maria": entry("maria", destination="nobody")}, known)


def test_what_was_touched_is_known_since_the_state_before_alone() -> None:
    first = parse({"pablo": entry(), "maria": entry("maria"), "ana": entry("ana")})
    second = parse({"pablo": entry(destination="q@example.org"), "maria": entry("maria"), "zoe": entry("zoe")}, first)
    third = parse({"pablo": entry(destination="q@example.org"), "maria": entry("maria")}, second)

    assert second.touched_since(second.version) == frozenset()
    assert second.touched_since(first.version) == frozenset({"pablo@runv.club", "ana@runv.club", "zoe@runv.club"})
    assert third.touched_since(second.version) == frozenset({"zoe@runv.club"})
    assert third.touched_since(first.version) is None
    assert first.touched_since(None) is None
    elsewhere = parse_registry(b"{}", "example.net", PATH, first)
    assert elsewhere.touched_since(first.version) is None


def test_another_alias_domain_makes_every_entry_be_examined_again() -> None:
    known = parse({"pablo": entry()})
    with pytest.raises(RegistryError, match=r"`pablo@example\.net` was expected"):
        parse_registry(known.data, "example.net", PATH, known)


def test_the_hash_is_of_the_files_own_bytes() -> None:
    assert parse(b"{}").sha256 == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert parse(b"{}\n").sha256 != parse(b"{}").sha256
