"""Who is an orphan, what is sure, and how many are too many: without files, by a table of accounts."""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
import pytest

from schemas.config import Config
from schemas.registry import Registry, parse_registry
from tests.watcher.server import Clock, Record, entry
from watcher.accounts import Account, Accounts, LocalAccount, LocalAccounts
from watcher.orphan_search import AccountsSlowError, Orphan, OrphanSearch, names_of

GID = 990


class Names(Accounts):
    """Name services by a table, which count how often they are asked."""

    def __init__(
        self, *known: Account, listed: frozenset[str] = frozenset(), takes: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__("runv-members")
        self.known = {account.name: account for account in known}
        self.asked: list[str] = []
        self._names = listed
        self._takes = takes

    @property
    def gid(self) -> int:
        return GID

    def is_member(self, name: str, gid: int) -> bool:
        return gid == GID or name in self._names

    def of_name(self, name: str) -> Account | None:
        self.asked.append(name)
        self._takes()
        return self.known.get(name)


def registry(entries: Mapping[str, Record], before: Registry | None = None) -> Registry:
    return parse_registry(msgspec.json.encode(entries), "runv.club", "the registry", before)


def members(count: int) -> dict[str, Record]:
    return {f"m{number:02}": entry(f"m{number:02}") for number in range(count)}


def local(*names: str, gid: int = GID, **fields: object) -> LocalAccounts:
    return LocalAccounts({name: LocalAccount(1000 + number, gid) for number, name in enumerate(names)}, **fields)  # type: ignore[arg-type]


def test_an_account_in_the_file_is_not_asked_for_and_one_that_is_not_there_is() -> None:
    names = Names(Account("zoe", 5000, True))
    search = OrphanSearch(Config(), names, local("m00"))
    found = search.orphans(registry(members(2) | {"zoe": entry("zoe")}))
    assert [(orphan.username, orphan.reason) for orphan in found] == [("m01", "There is no account m01.")]
    assert names.asked == ["m01", "zoe"]


def test_where_another_service_is_asked_first_the_file_says_nothing() -> None:
    search = OrphanSearch(Config(), Names(Account("m00", 7, True)), local("m00", asked_first=False))
    (orphan,) = search.orphans(registry({"m00": entry("m00", uid=1000)}))
    assert orphan.reason == "The account m00 has the uid 7 now; the alias was approved for the one with uid 1000."


def test_an_entry_that_was_looked_at_is_not_looked_at_again() -> None:
    names = Names()
    search = OrphanSearch(Config(), names, local("m00"))
    first = registry(members(3))
    assert len(search.orphans(first)) == 2
    second = registry(members(3) | {"m02": entry("m02") | {"status": "revoked"}, "zoe": entry("zoe")}, first)
    assert [orphan.username for orphan in search.orphans(second)] == ["m01", "zoe"]
    assert names.asked == ["m01", "m02", "zoe"]


def test_what_is_active_no_more_has_nobody_to_lose() -> None:
    former = {name: each | {"status": status} for (name, each), status in zip(members(2).items(), ("x", "revoked"))}  # noqa: B905
    assert OrphanSearch(Config(), Names(), local("root")).orphans(registry(former)) == []


def test_name_services_that_take_too_long_are_asked_for_the_rest_another_time() -> None:
    clock = Clock()
    names = Names(takes=lambda: clock.pass_by(1.5))
    search = OrphanSearch(Config(), names, local("root"), clock)
    present = registry(members(3))
    with pytest.raises(AccountsSlowError, match=r"^The name services take too long to say who has an account; see "):
        search.orphans(present)
    assert names.asked == ["m00", "m01"]
    assert len(search.orphans(present)) == 3
    assert names.asked == ["m00", "m01", "m02"]


def test_nobody_is_asked_for_who_is_not_in_a_file_that_is_all_there_is() -> None:
    names = Names(Account("m01", 1001, True))
    found = OrphanSearch(Config(), names, local("m00", alone=True)).orphans(registry(members(2)))
    assert [(orphan.reason, orphan.sure) for orphan in found] == [("There is no account m01.", True)]
    assert names.asked == []


@pytest.mark.parametrize(
    ("active", "gone", "held"),
    [
        (1, 1, False), (2, 2, False), (3, 2, False), (3, 3, True), (9, 8, False), (9, 9, True),
        (10, 3, False), (10, 4, True), (20, 6, False), (20, 7, True),
    ],
)  # fmt: skip
def test_more_than_a_third_of_ten_and_all_of_three_are_too_many(active: int, gone: int, held: bool) -> None:
    entries = members(active)
    judgement = OrphanSearch(Config(), Names(), local("root", *list(entries)[gone:])).judge(registry(entries))
    assert (len(judgement.switch_off), judgement.held is not None, judgement.problem) == (gone, held, None)


@pytest.mark.parametrize("orphans", ["deactivate", "report"])
def test_thousands_are_told_apart_without_comparing_each_with_every_other(
    orphans: Literal["deactivate", "report"], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Orphan] = []

    def compare(one: Orphan, other: object) -> bool:
        compared.append(one)
        return one is other

    monkeypatch.setattr(Orphan, "__eq__", compare)
    judgement = OrphanSearch(Config(orphans=orphans), Names(), local("root")).judge(registry(members(30)))
    assert (len(judgement.switch_off), len(judgement.report)) == ((30, 0) if orphans == "deactivate" else (0, 30))
    assert compared == []


def test_an_entry_without_a_uid_is_one_only_after_its_member_was_seen() -> None:
    members: set[str] = set()
    entries = {"m00": entry("m00"), "m01": entry("m01"), "m02": entry("m02"), "zoe": entry("zoe", uid=7)}
    present = registry(entries)
    names = Names()
    first = OrphanSearch(Config(), names, LocalAccounts({"m00": LocalAccount(1, GID), "m01": LocalAccount(2, 1)}))
    first.members = members
    assert [orphan.username for orphan in first.orphans(present)] == ["zoe"]
    assert (members, names.asked) == ({"m00"}, ["zoe"])
    second = OrphanSearch(Config(), names, local("root"), members=members)
    assert [orphan.username for orphan in second.orphans(present)] == ["m00", "zoe"]


def test_what_another_service_may_know_better_is_only_told_of() -> None:
    entries = members(4) | {"m02": entry("m02", uid=7)}
    there = {
        "m00": LocalAccount(1000, 1),
        "m02": LocalAccount(1002, GID),
        "m03": LocalAccount(1003, GID),
    }
    found = OrphanSearch(Config(), Names(), LocalAccounts(there, True, ("sss",), ("ldap",))).judge(registry(entries))
    assert [orphan.username for orphan in found.switch_off] == ["m02"]
    assert [orphan.username for orphan in found.report] == ["m00", "m01"]
    assert found.problem is not None
    assert found.problem.endswith(
        "Accounts come from other services too (sss, ldap), which may only be out of reach, so these are not switched "
        "off unasked."
    )


def test_with_report_nothing_is_switched_off_and_a_few_are_named() -> None:
    judgement = OrphanSearch(Config(orphans="report"), Names(), local("root")).judge(registry(members(12)))
    assert (judgement.switch_off, judgement.held) == ([], None)
    assert len(judgement.report) == 12
    assert judgement.problem is not None
    assert ": m00, m01, m02, m03, m04 and 7 more. For each, run " in judgement.problem
    assert names_of(judgement.report[:1]) == "m00"
