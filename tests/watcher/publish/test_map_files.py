"""The map's files: built aside, proved, renamed into place; whatever goes wrong, the old map answers."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from schemas.errors import ExpectedError
from tests.schemas.fs.test_write import room_for
from watcher.publish.commands import CommandError
from watcher.publish.map_files import MapError, MapFiles, published_rows, render
from watcher.publish.postmap import DUMPABLE

from .conftest import TYPES, MapDirectory, aliases, many, mode_of

AMENDED = [param for param in TYPES if param.values[0] in DUMPABLE]

OLD = aliases(ana="a", pablo="p", zoe="z")
NEW = aliases(ana="a", pablo="q", new="n")
CHANGED = aliases(pablo="q", new="n")
GONE = ["zoe@runv.club"]


def files_of(map_directory: MapDirectory, program: str | None = None, **keys: object) -> MapFiles:
    return MapFiles(map_directory.config(**({"postmap_command": [program]} if program else {}), **keys))


def old_map(map_directory: MapDirectory) -> None:
    files_of(map_directory).build(OLD)


def assert_old_map_answers(map_directory: MapDirectory) -> None:
    assert map_directory.answers("ana", "pablo", "zoe", "new") == [
        "a@example.org",
        "p@example.org",
        "z@example.org",
        None,
    ]
    assert map_directory.files() == {map_directory.path.name, map_directory.table.name}
    assert map_directory.path.read_bytes() == render(OLD, "map")


@pytest.mark.parametrize("map_directory", TYPES, indirect=True)
@pytest.mark.parametrize("mode", ["0o644", "0o600"])
def test_a_map_that_was_built_answers_and_nothing_else_is_left(map_directory: MapDirectory, mode: str) -> None:
    previous = os.umask(0o077)
    try:
        signature = files_of(map_directory, file_mode=mode).build(OLD)
    finally:
        os.umask(previous)
    assert_old_map_answers(map_directory)
    assert mode_of(map_directory.path) == mode_of(map_directory.table) == int(mode, 8)
    assert signature == files_of(map_directory).signature()


@pytest.mark.parametrize("map_directory", AMENDED, indirect=True)
def test_a_map_that_was_amended_answers_and_nothing_else_is_left(map_directory: MapDirectory) -> None:
    files = files_of(map_directory, file_mode="0o640")
    known = files.build(OLD)
    signature = files.amend(NEW, CHANGED, GONE, known)
    assert map_directory.answers("ana", "pablo", "zoe", "new") == [
        "a@example.org",
        "q@example.org",
        None,
        "n@example.org",
    ]
    assert map_directory.path.read_bytes() == render(NEW, "map")
    assert signature == files.signature()
    assert files.postmap.dump(files.path) == NEW
    assert mode_of(map_directory.path) == mode_of(map_directory.table) == 0o640
    assert map_directory.files() == {map_directory.path.name, map_directory.table.name}
    assert signature is not None
    last = files.amend({}, {}, NEW, signature)
    assert (files.postmap.dump(files.path), last) == ({}, files.signature())


@pytest.mark.parametrize("map_directory", TYPES, indirect=True)
def test_the_old_table_goes_away_and_the_new_one_is_not_older_than_its_text(map_directory: MapDirectory) -> None:
    """Postfix notices a new table by the link count of the one it has open, and warns of one older than its text."""
    files = files_of(map_directory)
    known = files.build(OLD)
    with ExitStack() as opened:
        first = opened.enter_context(map_directory.table.open("rb"))
        known = files.build(NEW)
        assert os.fstat(first.fileno()).st_nlink == 0
        assert map_directory.path.stat().st_mtime_ns <= map_directory.table.stat().st_mtime_ns
        if map_directory.map_type in DUMPABLE:
            second = opened.enter_context(map_directory.table.open("rb"))
            known = files.amend(OLD, aliases(pablo="p", zoe="z"), ["new@runv.club"], known) or known
            assert os.fstat(second.fileno()).st_nlink == 0
            assert map_directory.path.stat().st_mtime_ns <= map_directory.table.stat().st_mtime_ns
    assert known == files.signature()
    assert map_directory.table.stat().st_nlink == map_directory.path.stat().st_nlink == 1


@pytest.mark.needs("postfix-hash")
def test_however_long_a_build_takes_the_table_is_not_older_than_its_text(map_directory: MapDirectory) -> None:
    slow = map_directory.program(
        "postmap", '$real "$@"; status=$?; case "$1" in -q) ;; *) sleep 0.02;; esac; exit $status'
    )
    files = files_of(map_directory, slow)
    known = files.build(OLD)
    assert map_directory.path.stat().st_mtime_ns <= map_directory.table.stat().st_mtime_ns
    files.amend(NEW, CHANGED, GONE, known)
    assert map_directory.path.stat().st_mtime_ns <= map_directory.table.stat().st_mtime_ns


@pytest.mark.parametrize("map_directory", AMENDED, indirect=True)
def test_a_table_that_is_not_the_one_that_is_known_is_not_amended(map_directory: MapDirectory) -> None:
    files = files_of(map_directory)
    known = files.build(OLD)
    map_directory.build_by_hand("eve@runv.club\teve@example.org\n")
    before = files.signature()
    assert files.amend(NEW, CHANGED, GONE, known) is None
    assert files.signature() == before
    assert map_directory.files() == {map_directory.path.name, map_directory.table.name}


@pytest.mark.needs("postfix-hash")
def test_what_is_changed_by_hand_while_the_table_is_copied_does_not_go_along(
    map_directory: MapDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(map_directory)
    known = files.build(OLD)
    sendfile = os.sendfile

    def slowly(target: int, source: int, offset: int | None, count: int) -> int:
        table = f"{map_directory.map_type}:{map_directory.path}"
        assert map_directory.mail.run("postmap", "-i", table, input="eve@runv.club\teve@example.org\n").returncode == 0
        return sendfile(target, source, offset, count)

    monkeypatch.setattr(os, "sendfile", slowly)
    assert files.amend(NEW, CHANGED, GONE, known) is None
    assert map_directory.files() == {map_directory.path.name, map_directory.table.name}


# Each asks as it should and builds otherwise; f is the source text, which stays as it is.
HONEST_ASKING = 'case "$1" in -*) exec $real "$@";; esac; f=${1#*:}; '
LIES = {
    "builds nothing": HONEST_ASKING + "exit 0",
    "builds an empty table": HONEST_ASKING + "cp $f $f.k; : >$f; $real $1; mv $f.k $f",
    "drops a row": HONEST_ASKING + "cp $f $f.k; sed -i 2d $f; $real $1; mv $f.k $f",
    "changes a row": HONEST_ASKING + "cp $f $f.k; sed -i s/q@/eve@/ $f; $real $1; mv $f.k $f",
    "complains": HONEST_ASKING + '$real "$@"; echo "warning: hm" >&2',
    "fails": HONEST_ASKING + '$real "$@"; exit 1',
    "is killed": HONEST_ASKING + '$real "$@"; kill -9 $$',
    "answers nothing": 'case "$1" in -q) cat >/dev/null; exit 1;; esac; exec $real "$@"',
}


@pytest.mark.parametrize("map_directory", TYPES, indirect=True)
@pytest.mark.parametrize("lie", [lie for lie in LIES if lie != "builds nothing"])
def test_a_postmap_that_lies_when_it_builds_leaves_the_old_map_answering(map_directory: MapDirectory, lie: str) -> None:
    old_map(map_directory)
    liar = map_directory.program("postmap", LIES[lie])
    with pytest.raises((MapError, CommandError)) as found:
        files_of(map_directory, liar).build(NEW)
    assert str(found.value).isprintable()
    assert_old_map_answers(map_directory)


@pytest.mark.needs("postfix-hash")
def test_a_postmap_that_builds_nothing_leaves_the_old_map_answering(map_directory: MapDirectory) -> None:
    old_map(map_directory)
    with pytest.raises((MapError, CommandError)):
        files_of(map_directory, map_directory.program("postmap", LIES["builds nothing"])).build(NEW)
    assert_old_map_answers(map_directory)


AMENDING_LIES = {
    "updates nothing": 'case "$1" in -i) cat >/dev/null; exit 0;; esac; exec $real "$@"',
    "deletes nothing": 'case "$1" in -d) cat >/dev/null; exit 0;; esac; exec $real "$@"',
    "keeps old values": 'case "$1" in -i) shift 2; exec $real -i "$@" 2>/dev/null;; esac; exec $real "$@"',
    "fails": 'case "$1" in -i) $real "$@"; exit 1;; esac; exec $real "$@"',
    "complains": 'case "$1" in -d) $real "$@"; echo hm >&2;; *) exec $real "$@";; esac',
}


@pytest.mark.parametrize("map_directory", AMENDED, indirect=True)
@pytest.mark.parametrize("lie", AMENDING_LIES)
def test_a_postmap_that_lies_when_it_amends_leaves_the_old_map_answering(map_directory: MapDirectory, lie: str) -> None:
    files = files_of(map_directory, map_directory.program("postmap", AMENDING_LIES[lie]))
    known = files.build(OLD)
    with pytest.raises((MapError, CommandError)):
        files.amend(NEW, CHANGED, GONE, known)
    assert_old_map_answers(map_directory)
    assert files.signature() == known


@pytest.mark.needs("postfix-hash")
def test_a_wrong_answer_is_told_with_what_was_expected(map_directory: MapDirectory) -> None:
    liar = map_directory.program("postmap", LIES["changes a row"])
    with pytest.raises(MapError, match=r"answered eve@example\.org for pablo@runv\.club, where q@example\.org was exp"):
        files_of(map_directory, liar).build(NEW)
    liar = map_directory.program("postmap", AMENDING_LIES["deletes nothing"])
    files = files_of(map_directory, liar)
    with pytest.raises(MapError, match=r"answered z@example\.org for zoe@runv\.club, where nothing was expected"):
        files.amend(NEW, CHANGED, GONE, files.build(OLD))


@pytest.mark.parametrize(
    "map_directory", [param for param in TYPES if param.values[0] in {"hash", "lmdb"}], indirect=True
)
def test_on_a_full_disk_the_old_map_answers(map_directory: MapDirectory) -> None:
    """The text still fits and the table does not, of which lmdb says nothing."""
    old_map(map_directory)
    rows = many(700)
    room = len(render(rows, "map")) + 1000
    with room_for(room), pytest.raises(ExpectedError):
        files_of(map_directory).build(rows)
    assert_old_map_answers(map_directory)


@pytest.mark.needs("postfix-hash")
def test_where_the_text_does_not_fit_the_old_map_answers(map_directory: MapDirectory) -> None:
    old_map(map_directory)
    with (
        room_for(1000),
        pytest.raises(MapError, match=r"^The directory .* of the map cannot be written: File too large"),
    ):
        files_of(map_directory).build(many(700))
    assert_old_map_answers(map_directory)


@pytest.mark.needs("postfix-hash")
@pytest.mark.parametrize("make", [lambda path: None, Path.touch])
def test_a_missing_directory_is_named(map_directory: MapDirectory, tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "elsewhere")
    files = files_of(map_directory, virtual_alias_file=str(tmp_path / "elsewhere" / "map"))
    for act in (files.signature, files.tidy, lambda: files.build(OLD), lambda: files.write_text(OLD)):
        with pytest.raises(MapError, match=r"^The directory .*/elsewhere cannot be opened"):
            act()


@pytest.mark.needs("postfix-lmdb")
@pytest.mark.parametrize("map_directory", ["lmdb"], indirect=True)
def test_what_a_kill_left_half_built_is_removed(map_directory: MapDirectory) -> None:
    old_map(map_directory)
    for process in ("0123abcd", "4567ef89"):
        workshop = map_directory.mail.directory / f".{map_directory.path.name}.next-{process}"
        workshop.mkdir()
        for suffix in ("", ".db", ".lmdb", ".lmdb-lock", ".cdb", ".cdb.tmp"):
            (workshop / f"{map_directory.path.name}{suffix}").touch()
    files_of(map_directory).tidy()
    assert_old_map_answers(map_directory)


@pytest.mark.needs("postfix-hash")
def test_what_lies_under_the_temporary_name_is_not_followed(map_directory: MapDirectory, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not ours")
    workshop = map_directory.mail.directory / f".{map_directory.path.name}.next-0123abcd"
    workshop.mkdir()
    (workshop / map_directory.path.name).symlink_to(tmp_path / "secret")
    (workshop / "elsewhere").symlink_to(tmp_path)
    files = files_of(map_directory)
    files.tidy()
    files.build(OLD)
    assert (tmp_path / "secret").read_text() == "not ours"
    assert_old_map_answers(map_directory)


@pytest.mark.parametrize("map_directory", ["texthash"], indirect=True)
def test_a_map_without_a_table_is_its_text(map_directory: MapDirectory) -> None:
    signature = files_of(map_directory, file_mode="0o640").write_text(OLD)
    assert map_directory.path.read_bytes() == render(OLD, "map")
    assert map_directory.files() == {map_directory.path.name}
    assert mode_of(map_directory.path) == 0o640
    assert signature == files_of(map_directory).signature()
    with room_for(20), pytest.raises(MapError, match="cannot be written"):
        files_of(map_directory).write_text(NEW)
    assert map_directory.path.read_bytes() == render(OLD, "map")
    assert map_directory.files() == {map_directory.path.name}


@pytest.mark.parametrize("map_directory", ["texthash"], indirect=True)
def test_a_text_that_comes_back_different_from_the_disk_is_not_put_in_place(
    map_directory: MapDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(map_directory)
    files.write_text(OLD)
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data).replace(b"q", b"e")))
    with pytest.raises(MapError, match=r"was written and read back, and came back different"):
        files.write_text(NEW)
    assert map_directory.path.read_bytes() == render(OLD, "map")
    assert map_directory.files() == {map_directory.path.name}


def test_a_table_that_somebody_else_builds_is_theirs_to_change(map_directory: MapDirectory) -> None:
    files = files_of(map_directory, run_postmap=False)
    signature = files.write_text(OLD)
    map_directory.table.write_text("built by somebody else")
    assert files.signature() == signature


@pytest.mark.parametrize(
    "row",
    [
        ("pablo@runv.club", "p@example.org, eve@example.org"),
        ("pablo@runv.club", "p@example.org eve@example.org"),
        ("pablo@runv.club", "p@example.org\nroot@runv.club\teve@example.org"),
        ("pablo@runv.club", "|/bin/sh"),
        ("pablo@runv.club", "/etc/passwd"),
        ("pablo@runv.club", ""),
        ("pablo@runv.club", "p@example.org\n"),
        ("@runv.club", "eve@example.org"),
        ("pablo", "p@example.org"),
        ("Pablo@runv.club", "p@example.org"),
        ("#pablo@runv.club", "p@example.org"),
        ("pablo@runv.club\tx@y.org\nb@runv.club", "p@example.org"),
        (" pablo@runv.club", "p@example.org"),
        ("pablo@runv.club", "josé@example.org"),
        ("", ""),
    ],
)
def test_nothing_but_one_alias_and_one_plain_address_gets_into_a_map(
    map_directory: MapDirectory, row: tuple[str, str]
) -> None:
    rows = dict([*OLD.items(), row])
    files = files_of(map_directory)
    for act in (lambda: files.build(rows), lambda: files.write_text(rows), lambda: render(rows, "map")):
        with pytest.raises(MapError, match="not all of one alias and one plain address"):
            act()
    assert map_directory.files() == set()


def test_the_same_rows_give_the_same_bytes() -> None:
    assert render(OLD, "map") == render(dict(reversed(OLD.items())), "map")
    assert render({}, "map") == b""
    assert render(OLD, "map").splitlines() == sorted(render(OLD, "map").splitlines())


def test_the_rows_of_a_text_are_told_whatever_else_is_in_it(map_directory: MapDirectory) -> None:
    assert files_of(map_directory).text_rows() is None
    map_directory.path.write_bytes(
        b"# by hand\n\npablo@runv.club\tp@example.org\n  indented\n\xff\tx\nnot a row\nlast\ty"
    )
    assert files_of(map_directory).text_rows() == {
        "pablo@runv.club": "p@example.org",
        "\udcff": "x",
        "last": "y",
    }
    map_directory.path.unlink()
    map_directory.path.symlink_to("elsewhere")
    with pytest.raises(MapError, match=r"^The map .* cannot be read: .* is not a plain file\.$"):
        files_of(map_directory).text_rows()


@pytest.mark.parametrize("map_directory", [*TYPES, "texthash"], indirect=True)
def test_a_dry_run_sees_what_is_published(map_directory: MapDirectory) -> None:
    assert published_rows(map_directory.config()) == {}
    if map_directory.map_type == "texthash":
        files_of(map_directory).write_text(OLD)
    else:
        old_map(map_directory)
    assert published_rows(map_directory.config()) == OLD
    assert published_rows(map_directory.config(run_postmap=False)) == OLD
