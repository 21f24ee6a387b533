"""Changing the registry: what was not changed comes back byte for byte, and what is written can be read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RegistryError
from schemas.registry import Draft, Entry, Registry, parse_registry

PLACE = "registry"

BY_HAND = b"""{ "zoe" : {"status":"revoked",   "alias":"zoe@runv.club", "weird": [1,2 ,{"x":1.50e+3}] },
 "pablo":{
   "notes": "jos\\u00e9 \\"quoted\\" \\/",
   "destination": "p@example.org", "alias": "pablo@runv.club",
   "quota": 123456789012345678901234567890, "nothing": null, "status": "active"}
}"""


def parse(data: bytes) -> Registry:
    return parse_registry(data, "runv.club", PLACE)


def draft_of(data: bytes) -> Draft:
    return Draft(parse(data), PLACE)


ACTIVE = {"alias": "pablo@runv.club", "destination": "q@example.org", "status": "active"}


def test_a_new_entry_comes_last_and_leaves_the_others_as_they_are() -> None:
    draft = draft_of(BY_HAND)
    draft.set("ana", {**ACTIVE, "alias": "ana@runv.club"})
    changed = draft.finish()
    assert list(changed.entries) == ["zoe", "pablo", "ana"]
    for name in ("zoe", "pablo"):
        assert bytes(parse(BY_HAND).raws[name]) in changed.data
    assert changed.rows() == {"pablo@runv.club": "p@example.org", "ana@runv.club": "q@example.org"}


def test_a_changed_entry_keeps_its_place_and_every_value_that_was_not_changed() -> None:
    draft = draft_of(BY_HAND)
    draft.set("pablo", {"destination": "q@example.org", "uid": 1001})
    data = draft.finish().data
    assert bytes(parse(BY_HAND).raws["zoe"]) in data
    assert list(json.loads(data)) == ["zoe", "pablo"]
    assert list(json.loads(data)["pablo"]) == ["notes", "destination", "alias", "quota", "nothing", "status", "uid"]
    for kept in (b'"jos\\u00e9 \\"quoted\\" \\/"', b"123456789012345678901234567890", b'"nothing": null'):
        assert kept in data
    assert json.loads(data)["pablo"]["destination"] == "q@example.org"


def test_a_field_set_to_none_is_removed() -> None:
    draft = draft_of(BY_HAND)
    draft.set("pablo", {"notes": None, "reason": None})
    assert "notes" not in json.loads(draft.finish().data)["pablo"]
    assert "reason" not in json.loads(draft.finish().data)["pablo"]


def test_changes_are_laid_over_one_another() -> None:
    draft = draft_of(b"{}")
    assert not draft.changed
    draft.set("pablo", ACTIVE)
    draft.set("pablo", {"status": "revoked", "reason": "x"})
    found = draft.get("pablo")
    assert found is not None
    assert (found.status, found.destination) == ("revoked", "q@example.org")
    assert draft.changed
    assert draft.get("maria") is None


@pytest.mark.parametrize(
    "fields",
    [
        {"destination": "q@example.org\nroot@runv.club\teve@example.org"},
        {"destination": None},
        {"alias": "root@runv.club"},
        {"username": "root"},
        {"status": None},
        {"uid": "root"},
    ],
)
def test_a_change_that_would_break_the_registry_is_refused_and_changes_nothing(fields: dict[str, Any]) -> None:
    draft = draft_of(BY_HAND)
    with pytest.raises(RegistryError, match="The entry `pablo`"):
        draft.set("pablo", fields)
    assert not draft.changed
    assert draft.get("pablo") == parse(BY_HAND).entries["pablo"]


def test_a_draft_leaves_what_it_started_from_alone() -> None:
    base = parse(BY_HAND)
    draft = Draft(base, PLACE)
    draft.set("pablo", {"destination": "q@example.org"})
    draft.finish()
    assert base == parse(BY_HAND)


_NAMES = st.sampled_from(["pablo", "maria", "ana", "zoe-2", "x_y"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
_STRANGE = st.dictionaries(
    st.text(max_size=6).filter(lambda key: key not in Entry.__struct_fields__), _JSON, max_size=3
)
_STATES = st.fixed_dictionaries(
    {
        "destination": st.sampled_from(["p@example.org", "Q@Example.net"]),
        "status": st.sampled_from(["active", "revoked"]),
    },
    optional={"uid": st.integers(0, 2**32), "reason": st.text(max_size=6), "updated_by": st.text(max_size=6)},
)
_FILES = st.dictionaries(_NAMES, st.tuples(_STATES, _STRANGE), max_size=4)


@given(_FILES, st.sampled_from([None, 1, 7]), st.booleans(), st.lists(st.tuples(_NAMES, _STATES, _STRANGE), max_size=4))
def test_what_a_draft_writes_is_read_back_as_the_draft_says(
    given_file: dict[str, tuple[dict[str, Any], dict[str, Any]]],
    indent: int | None,
    ascii_only: bool,
    changes: list[tuple[str, dict[str, Any], dict[str, Any]]],
) -> None:
    value = {name: {**strange, "alias": f"{name}@runv.club", **state} for name, (state, strange) in given_file.items()}
    base = parse(json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode())
    draft = Draft(base, PLACE)
    expected = {name: dict(fields) for name, fields in value.items()}
    for name, state, strange in changes:
        fields = {"alias": f"{name}@runv.club", **state, **strange}
        draft.set(name, fields)
        changed = {**expected.get(name, {}), **fields}
        expected[name] = {key: each for key, each in changed.items() if each is not None or key not in fields}
    finished = draft.finish()
    assert parse(finished.data) == finished
    assert parse_registry(finished.data, "runv.club", PLACE, base) == finished
    assert finished.touched_since(base.version) == frozenset(f"{name}@runv.club" for name, _, _ in changes)
    assert json.loads(finished.data) == expected
    assert [list(each.items()) for each in json.loads(finished.data).values()] == [
        list(each.items()) for each in expected.values()
    ]
    for name in base.raws.keys() - {name for name, _, _ in changes}:
        assert bytes(base.raws[name]) in finished.data
