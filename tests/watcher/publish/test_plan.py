"""What would change, and when that is too much to do unasked."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.registry import Registry, parse_registry
from schemas.request import RequestRecord
from watcher.publish.plan import MassChange, Plan, make_plan, mass_change

ROWS = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("xyz"))


@settings(deadline=None, database=None)
@given(ROWS, ROWS)
def test_a_plan_leads_from_what_is_published_to_what_should_be(
    published: dict[str, str], desired: dict[str, str]
) -> None:
    plan = make_plan(published, desired)
    result = {alias: destination for alias, destination in published.items() if alias not in plan.removed}
    result |= plan.added
    for alias, (old, new) in plan.changed.items():
        assert result[alias] == old
        assert old != new
        result[alias] = new
    assert result == desired
    assert not set(plan.added) & set(published)
    assert plan.removed == {alias: published[alias] for alias in plan.removed}
    assert plan.empty == (published == desired)
    assert plan.count == len({*plan.added, *plan.changed, *plan.removed})
    assert plan.published == len(published)
    for part in (plan.added, plan.changed, plan.removed):
        assert list(part) == sorted(part)


def registry_of(**entries: dict[str, Any]) -> Registry:
    from msgspec.json import encode

    return parse_registry(encode(entries), "runv.club", "registry")


def entry(name: str, **fields: Any) -> dict[str, Any]:
    return {"alias": f"{name}@runv.club", "destination": "p@example.org", "status": "active", **fields}


def names(count: int) -> list[str]:
    return [f"member{index:03}" for index in range(count)]


def rows(names: Iterable[str], destination: str = "p@example.org") -> dict[str, str]:
    return {f"{name}@runv.club": destination for name in names}


def nothing_approved(username: str) -> list[RequestRecord]:
    return []


def removing(published: int, removed: int) -> Plan:
    return make_plan(rows(names(published)), rows(names(published)[removed:]))


def redirecting(published: int, changed: int) -> Plan:
    every = names(published)
    return make_plan(rows(every), rows(every[changed:]) | rows(every[:changed], "eve@example.org"))


@pytest.mark.parametrize("kind", [removing, redirecting])
@pytest.mark.parametrize(
    ("published", "most"),
    [(10, 3), (11, 3), (13, 3), (14, 4), (20, 6), (100, 30), (101, 30), (1000, 300)],
)
def test_up_to_30_percent_are_changed_unasked_and_not_one_more(kind: Any, published: int, most: int) -> None:
    registry = registry_of()
    assert mass_change(kind(published, most), registry, nothing_approved) is None
    held = mass_change(kind(published, most + 1), registry, nothing_approved)
    assert held is not None
    assert (held.published, held.removed + held.changed, held.limit) == (published, most + 1, most)


@pytest.mark.parametrize("kind", [removing, redirecting])
def test_of_fewer_than_ten_every_one_may_be_changed(kind: Any) -> None:
    assert mass_change(kind(9, 9), registry_of(), nothing_approved) is None
    assert mass_change(kind(10, 10), registry_of(), nothing_approved) is not None


def test_adding_any_number_is_no_mass_change() -> None:
    plan = make_plan(rows(names(10)), rows(names(1000)))
    assert mass_change(plan, registry_of(), nothing_approved) is None


def test_removed_and_redirected_ones_are_counted_apart() -> None:
    every = names(10)
    plan = make_plan(rows(every), rows(every[3:]) | rows(every[3:6], "eve@example.org"))
    assert mass_change(plan, registry_of(), nothing_approved) is None
    plan = make_plan(rows(every), rows(every[4:]) | rows(every[4:7], "eve@example.org"))
    assert mass_change(plan, registry_of(), nothing_approved) == MassChange(published=10, removed=4, changed=3, limit=3)


def approved(name: str, destination: str, decision: str = "approval") -> RequestRecord:
    return RequestRecord(
        request_id="x", username=name, uid=1, alias="a", destination=destination, status="approved", file="f",
        created_at="", decision_id=decision,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "explained"),
    [
        ({"status": "revoked", "updated_by": "a decision"}, True),
        ({"status": "cancelled", "updated_by": "a cancel"}, True),
        ({"status": "revoked"}, False),
        ({"status": "revoked", "updated_by": "approval"}, False),
        (None, False),
    ],
)
def test_what_our_own_decisions_switched_off_does_not_count(fields: dict[str, Any] | None, explained: bool) -> None:
    """An entry that a hand switched off has no mark of a decision, or still that of its approval."""
    every = names(10)
    gone = {name: entry(name, **fields) for name in every[:4]} if fields is not None else {}
    registry = registry_of(**gone, **{name: entry(name) for name in every[4:]})
    held = mass_change(
        make_plan(rows(every), registry.rows()), registry, lambda name: [approved(name, "p@example.org", "approval")]
    )
    assert (held is None) == explained


@pytest.mark.parametrize(
    ("approval", "explained"), [("new@example.org", True), ("other@example.org", False), (None, False)]
)
def test_what_our_own_decisions_pointed_elsewhere_does_not_count(approval: str | None, explained: bool) -> None:
    every = names(10)
    registry = registry_of(**{name: entry(name, destination="new@example.org") for name in every})
    held = mass_change(
        make_plan(rows(every), registry.rows()),
        registry,
        lambda name: [approved(name, approval)] if approval else [],
    )
    assert (held is None) == explained


def test_decisions_explain_what_is_theirs_and_no_more() -> None:
    every = names(20)
    off = {name: entry(name, status="revoked", updated_by="a decision") for name in every[:5]}
    for by_hand, held in ((6, False), (7, True)):
        left = {name: entry(name) for name in every[5 + by_hand :]}
        registry = registry_of(**off, **left)
        assert (mass_change(make_plan(rows(every), registry.rows()), registry, nothing_approved) is not None) == held


def test_nobody_is_asked_about_approvals_while_little_changes() -> None:
    def asked(username: str) -> list[RequestRecord]:
        raise AssertionError(username)

    assert mass_change(redirecting(100, 30), registry_of(), asked) is None
