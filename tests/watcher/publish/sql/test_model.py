"""Whatever comes together: the rows against a model that is too simple to be wrong.

Members come, go and move while somebody else adds, changes and removes rows, of theirs and of ours, in letters that a
database may take for others. After each publish nothing of theirs is another, and each alias that nobody else holds
leads to just its destination.
"""

import random
from typing import Any, NamedTuple

import pytest

from schemas.registry import Registry

from ....support.servers import Kind
from .conftest import MARKED, Room, RoomOf, registry_of

MEMBERS = ("pablo", "maria", "zoe", "jose", "a-b.c", "x", "o_k")
ALIASES = tuple(f"{name}@runv.club" for name in MEMBERS)
ODD = ("PABLO", "Maria", "josé", "zoë", " x", "x ", "a-b.C", "\uff58", "pab%lo", "o%k", "o'k", "pablo\\", "ma\x01ria")
ENDS = ("@runv.club",) * 6 + ("@RUNV.club", "@runv.club ", "@runv.club.example", "@example.com")
PLACES = ("old@example.org", "OLD@example.org", "ôld@example.org", "old@example.org ", "", "it's\\%s@example.org")
LETTERS: dict[Kind, tuple[str, ...]] = {
    "mysql": ("utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "latin1_swedish_ci"),
    "pgsql": ("varchar(255)", "citext", "char(255)"),
    "sqlite": ("text", "text COLLATE NOCASE", "text COLLATE RTRIM"),
}
STEPS: dict[Kind, int] = {"mysql": 3, "pgsql": 3, "sqlite": 12}
"""Each finds most of what there is to find; servers let nobody in as quickly as a file."""


class Row(NamedTuple):
    """One row of the table."""

    number: int
    address: str
    goto: str | None
    owner: str | None
    note: str | None


class Play:
    """One round of it, in a table with *letters*, in the order that *seed* gives."""

    def __init__(self, room: Room, letters: str, seed: int) -> None:
        self.room = room
        self.kind: Kind = room.database.kind
        self.chance = random.Random(seed)  # noqa: S311 - the same one each time
        self.marked = room.config.database.managed_column is not None
        self.members: dict[str, str] = {}
        self.story: list[str] = []
        self._make(letters)

    def _make(self, letters: str) -> None:
        number = {"mysql": "int AUTO_INCREMENT PRIMARY KEY", "pgsql": "serial PRIMARY KEY"}.get(
            self.kind, "INTEGER PRIMARY KEY AUTOINCREMENT"
        )
        text = letters
        if self.kind == "mysql":
            text = f"varchar(255) CHARACTER SET {letters.partition('_')[0]} COLLATE {letters}"
        elif letters == "citext":
            self.run("CREATE EXTENSION citext")
        self.run(
            f"CREATE TABLE aliases (number {number}, address {text}, goto {text}, owner varchar(16), "
            "note varchar(64) DEFAULT 'as new')"
        )
        if self.chance.random() < 0.5:
            self.run("CREATE INDEX by_address ON aliases (address)")

    def run(self, statement: str) -> None:
        """Run it as somebody else."""
        self.story.append(statement)
        self.room.database.execute(statement)

    def quoted(self, text: str | None) -> str:
        """*text* as the database spells it."""
        if text is None:
            return "NULL"
        text = text.replace("'", "''")
        return "'" + (text.replace("\\", "\\\\") if self.kind == "mysql" else text) + "'"

    @property
    def rows(self) -> dict[int, Row]:
        """All rows by their number."""
        found = self.room.database.rows("SELECT number, address, goto, owner, note FROM aliases")
        return {row[0]: Row(*row) for row in found}

    @property
    def places(self) -> dict[str, set[int]]:
        """alias -> the rows that the database gives for it."""
        cases = " ".join(f"WHEN address = '{alias}' THEN '{alias}'" for alias in ALIASES)
        places: dict[str, set[int]] = {alias: set() for alias in ALIASES}
        for number, alias in self.room.database.rows(f"SELECT number, CASE {cases} END FROM aliases"):
            if alias is not None:
                places[alias].add(number)
        return places

    def ours(self, rows: dict[int, Row], places: dict[str, set[int]]) -> dict[str, set[int]]:
        """Those of them that are ours."""
        if self.marked:
            return {
                alias: {number for number in numbers if rows[number].owner == "runv"}
                for alias, numbers in places.items()
            }
        listed: dict[Any, Any] = {}
        if "published" in self.story:
            for address, destination in self.room.database.rows(
                "SELECT address, destination FROM runv_email_alias_rows"
            ):
                listed[address] = destination
        ours: dict[str, set[int]] = {}
        for alias, numbers in places.items():
            same = {number for number in numbers if alias in listed and _may_be(rows[number].goto, listed[alias])}
            alone = alias in listed and len(numbers) == 1
            ours[alias] = same if len(same) == 1 else numbers if alone else set()
        return ours

    def disturb(self) -> None:
        """Do what somebody might do."""
        chance, rows = self.chance, self.rows
        number = chance.choice(list(rows)) if rows else 0
        goto = self.quoted(chance.choice((*PLACES, None, *(f"{path}@example.org" for path in self.members.values()))))
        address = self.quoted(chance.choice((*MEMBERS, *MEMBERS, *ODD)) + chance.choice(ENDS))
        owner = self.quoted(chance.choice(("sales", None, "RUNV2", *(("runv",) if self.marked else ()))))
        statement = chance.choice(
            (
                f"INSERT INTO aliases (address, goto, owner, note) VALUES ({address}, {goto}, {owner}, 'theirs')",
                f"INSERT INTO aliases (address, goto, owner, note) VALUES ({address}, {goto}, {owner}, 'theirs')",
                f"UPDATE aliases SET goto = {goto} WHERE number = {number}",
                f"UPDATE aliases SET address = {address} WHERE number = {number}",
                f"UPDATE aliases SET owner = {owner}, note = 'by hand' WHERE number = {number}",
                f"DELETE FROM aliases WHERE number = {number}",
                "DELETE FROM aliases WHERE number % 3 = 0",
            )
        )
        try:
            self.run(statement)
        except Exception as error:
            if "latin1" not in str(error) and "1366" not in str(error):
                raise

    def move(self) -> set[str]:
        """Let members come, go and move; give the aliases that this touches."""
        before = dict(self.members)
        for name in self.chance.sample(MEMBERS, self.chance.choice((0, 1, 1, 2, 3))):
            if name in self.members and self.chance.random() < 0.4:
                del self.members[name]
            else:
                self.members[name] = self.chance.choice(("old", "new", "other", "it"))
        changed = {name for name in MEMBERS if before.get(name) != self.members.get(name)}
        return {f"{name}@runv.club" for name in changed}

    @property
    def registry(self) -> Registry:
        """The registry of the members."""
        return registry_of(**self.members)

    def publish_and_compare(self, touched: set[str], *, asked: bool) -> Any:
        """Publish, and hold what came of it against the model."""
        wanted = {f"{name}@runv.club": f"{path}@example.org" for name, path in self.members.items()}
        before, places = self.rows, self.places
        ours = self.ours(before, places)
        others = {alias: numbers - ours[alias] for alias, numbers in places.items()}
        own = set().union(*ours.values())
        if self.marked:
            own |= {number for number, row in before.items() if row.owner == "runv" and _in_domain(row.address)}
        plan = self.room.publish(self.registry, asked=asked)
        self.story.append("published")
        after, places = self.rows, self.places
        theirs = {number: row for number, row in before.items() if number not in own}
        assert {number: after.get(number) for number in theirs} == theirs
        for alias in ALIASES if asked else touched:
            found = places[alias] - theirs.keys()
            goto = wanted.get(alias)
            if goto is None or (others[alias] and not ours[alias]):
                assert not found, alias
            else:
                assert [_stripped(after[number].goto) for number in found] == [goto], alias
        if asked:
            fields = {each.alias for each in self.room.publisher.conflicts if each.destination}
            assert fields == {alias for alias in wanted if others[alias]}
            more = after.keys() - theirs.keys() - set().union(*(places[alias] for alias in wanted))
            assert not {after[number] for number in more}
        return plan

    def step(self) -> None:
        """One act of each, and a publish in the two ways there are."""
        for _ in range(self.chance.choice((0, 1, 1, 2, 3))):
            self.disturb()
        touched = self.move()
        if self.chance.random() < 0.2:
            # The watcher is started anew.
            self.room.publisher = type(self.room.publisher)(self.room.config, lambda username: [])
        if self.chance.random() < 0.7:
            self.publish_and_compare(touched, asked=False)
        self.publish_and_compare(touched, asked=True)
        assert self.publish_and_compare(touched, asked=True) is None


def _stripped(text: str | None) -> str | None:
    return None if text is None else text.rstrip(" ")


def _in_domain(address: str) -> bool:
    return address.rstrip().lower().endswith("@runv.club")


def _may_be(one: str | None, other: str) -> bool:
    return one is not None and one.replace("ô", "o").lower().rstrip() == other.lower()


@pytest.mark.parametrize("sql", [MARKED, {}], ids=["marked", "listed"])
def test_nothing_of_theirs_is_touched_and_all_of_ours_is_in_line(
    kind: Kind, room_of: RoomOf, sql: dict[str, Any]
) -> None:
    play = Play(room_of(sql=sql), LETTERS[kind][0], seed=1)
    try:
        for _ in range(STEPS[kind]):
            play.step()
    except BaseException as error:
        error.add_note("What was done:\n" + "\n".join(play.story))
        raise
