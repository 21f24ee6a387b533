"""Bringing the map into line with the registry: nothing, or one new map that is proved where Postfix reads it."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.request import RequestRecord
from watcher.publish.file_publisher import SMALL_CHANGE, FilePublisher
from watcher.publish.map_files import MapError
from watcher.publish.plan import MassChangeError

from .conftest import TYPES, MapDirectory, answers, members, publisher_of, registry_of, signature

ALL = [*TYPES, pytest.param("texthash", marks=pytest.mark.needs("postfix"))]


@pytest.mark.parametrize("map_directory", ALL, indirect=True)
def test_the_map_follows_the_registry(map_directory: MapDirectory) -> None:
    publisher = publisher_of(map_directory)
    assert publisher.publish(registry_of(ana="a", pablo="p"), forced=False)
    assert answers(map_directory, "ana", "pablo", "zoe") == ["a", "p", None]
    assert publisher.publish(registry_of(pablo="q", zoe="z"), forced=False)
    assert answers(map_directory, "ana", "pablo", "zoe") == [None, "q", "z"]
    assert publisher.publish(registry_of(), forced=False)
    assert answers(map_directory, "ana", "pablo", "zoe") == [None, None, None]
    assert map_directory.files() == {map_directory.path.name, map_directory.table.name}


@pytest.mark.parametrize("map_directory", TYPES, indirect=True)
def test_many_changes_and_few_come_to_the_same(map_directory: MapDirectory) -> None:
    publisher = publisher_of(map_directory)
    for count in (SMALL_CHANGE + 1, SMALL_CHANGE, SMALL_CHANGE + 2, 3 * SMALL_CHANGE, 3 * SMALL_CHANGE - 1):
        registry = members(count)
        publisher.publish(registry, forced=True)
        table = map_directory.mail.run(
            "postmap",
            "-q",
            "-",
            f"{map_directory.map_type}:{map_directory.path}",
            input="".join(f"{each}\n" for each in registry.rows()),
        )
        assert len(table.stdout.splitlines()) == count
        assert map_directory.lookup(f"member{count:03}@runv.club") is None


@pytest.mark.parametrize("map_directory", ALL, indirect=True)
def test_when_nothing_differs_nothing_is_written_or_run(map_directory: MapDirectory) -> None:
    publisher = publisher_of(map_directory)
    publisher.publish(registry_of(ana="a"), forced=False)
    before = signature(map_directory)
    assert not publisher.publish(registry_of(ana="a"), forced=False)
    assert not publisher.drifted(asked=False)
    assert signature(map_directory) == before


@pytest.mark.parametrize("map_directory", [param for param in ALL if param.values[0] != "cdb"], indirect=True)
def test_after_a_restart_a_map_in_line_is_left_as_it_is(map_directory: MapDirectory) -> None:
    publisher_of(map_directory).publish(registry_of(ana="a"), forced=False)
    before = signature(map_directory)
    later = publisher_of(map_directory)
    assert later.drifted(asked=False)
    assert not later.publish(registry_of(ana="a"), forced=False)
    assert not later.drifted(asked=False)
    assert signature(map_directory) == before


@pytest.mark.needs("postfix-hash")
def test_a_map_whose_text_or_table_says_something_else_is_made_anew(map_directory: MapDirectory) -> None:
    """Found at the start, before anything is known of it."""
    registry = registry_of(ana="a", pablo="p")
    for spoil in (
        lambda: map_directory.path.write_text("eve@runv.club\teve@example.org\n"),
        lambda: map_directory.build_by_hand("eve@runv.club\teve@example.org\n"),
        lambda: map_directory.table.write_bytes(b"no table"),
        map_directory.table.unlink,
        map_directory.path.unlink,
    ):
        publisher_of(map_directory).publish(registry, forced=False)
        spoil()
        assert publisher_of(map_directory).publish(registry, forced=False)
        assert answers(map_directory, "ana", "pablo", "eve") == ["a", "p", None]
        assert map_directory.path.read_text() == "ana@runv.club\ta@example.org\npablo@runv.club\tp@example.org\n"


@pytest.mark.parametrize("map_directory", TYPES, indirect=True)
def test_a_hand_edit_or_a_deletion_is_put_right(map_directory: MapDirectory, caplog: pytest.LogCaptureFixture) -> None:
    publisher = publisher_of(map_directory)
    registry = registry_of(ana="a", pablo="p")
    publisher.publish(registry, forced=False)
    for spoil in (
        lambda: map_directory.build_by_hand("ana@runv.club\teve@example.org\n"),
        map_directory.table.unlink,
        map_directory.path.unlink,
        lambda: map_directory.path.write_text(""),
    ):
        spoil()
        assert publisher.drifted(asked=False)
        caplog.clear()
        assert publisher.publish(registry, forced=False)
        assert "was changed by somebody else, or is not there" in caplog.text
        assert not publisher.drifted(asked=False)
        assert answers(map_directory, "ana", "pablo") == ["a", "p"]


@pytest.mark.needs("postfix-hash")
def test_a_change_while_the_map_had_drifted_is_published_whole(map_directory: MapDirectory) -> None:
    publisher = publisher_of(map_directory)
    publisher.publish(registry_of(ana="a", pablo="p"), forced=False)
    map_directory.build_by_hand("eve@runv.club\teve@example.org\n")
    publisher.publish(registry_of(ana="a", pablo="q"), forced=False)
    assert answers(map_directory, "ana", "pablo", "eve") == ["a", "q", None]


@pytest.mark.needs("postfix-hash")
def test_what_a_kill_left_half_built_is_removed(map_directory: MapDirectory) -> None:
    publisher_of(map_directory).publish(registry_of(ana="a"), forced=False)
    workshop = map_directory.mail.directory / f".{map_directory.path.name}.next-0123abcd"
    workshop.mkdir()
    (workshop / map_directory.table.name).write_bytes(b"half")
    assert not publisher_of(map_directory).publish(registry_of(ana="a"), forced=False)
    assert map_directory.files() == {map_directory.path.name, map_directory.table.name}


@pytest.mark.needs("postfix-hash")
def test_a_mass_change_waits_and_the_published_map_stays(map_directory: MapDirectory) -> None:
    publisher = publisher_of(map_directory)
    publisher.publish(members(10), forced=False)
    before = signature(map_directory)
    for registry, removed, changed in ((members(6), 4, 0), (members(10, "eve"), 0, 10)):
        for _ in range(2):
            with pytest.raises(MassChangeError) as found:
                publisher.publish(registry, forced=False)
        assert str(found.value) == (
            f"This would take away {removed} and point elsewhere {changed} of 10 published aliases, and no more than 3 "
            "of either are changed unasked. Look at `runv-admin-email-alias sync --dry-run`; if that is meant, run "
            "`runv-admin-email-alias sync --force`. Until then the published map stays as it is."
        )
        assert signature(map_directory) == before
    assert publisher.publish(members(6), forced=True)
    assert answers(map_directory, "member005", "member006") == ["x", None]


@pytest.mark.needs("postfix-hash")
def test_a_mass_change_waits_after_a_restart_as_well(map_directory: MapDirectory) -> None:
    publisher_of(map_directory).publish(members(10), forced=False)
    with pytest.raises(MassChangeError):
        publisher_of(map_directory).publish(members(6), forced=False)
    approved = RequestRecord(
        request_id="x", username="x", uid=1, alias="a", destination="eve@example.org", file="f", created_at="",
    )  # fmt: skip
    assert publisher_of(map_directory, lambda username: [approved]).publish(members(10, "eve"), forced=False)


def test_where_somebody_else_builds_only_the_text_is_written_and_their_table_is_no_drift(
    map_directory: MapDirectory,
) -> None:
    publisher = publisher_of(map_directory, run_postmap=False)
    assert publisher.publish(registry_of(pablo="p"), forced=False)
    assert map_directory.files() == {map_directory.path.name}
    map_directory.table.write_bytes(b"built by somebody else")
    assert not publisher.drifted(asked=False)
    assert not publisher.publish(registry_of(pablo="p"), forced=False)
    assert publisher.publish(registry_of(pablo="q"), forced=False)
    assert map_directory.path.read_text() == "pablo@runv.club\tq@example.org\n"
    assert map_directory.table.read_bytes() == b"built by somebody else"


@pytest.mark.parametrize(
    ("map_directory", "reload_postfix", "reloads"),
    [
        ("hash", "auto", 0),
        ("hash", True, 1),
        ("hash", False, 0),
        ("texthash", "auto", 1),
        ("texthash", False, 0),
    ],
    indirect=["map_directory"],
)
@pytest.mark.needs("postfix-hash")
def test_postfix_is_reloaded_once_for_a_new_map_where_it_needs_it_or_it_is_wanted(
    map_directory: MapDirectory, tmp_path: Path, reload_postfix: bool | str, reloads: int
) -> None:
    command = ["sh", "-c", f"echo reload >>{tmp_path}/calls"]
    publisher = FilePublisher(
        map_directory.config(reload_postfix=reload_postfix, reload_command=command), lambda username: []
    )
    for _ in range(2):
        publisher.publish(registry_of(pablo="p"), forced=False)
    calls = (tmp_path / "calls").read_text() if (tmp_path / "calls").exists() else ""
    assert calls == "reload\n" * reloads
    assert not publisher.problems


@pytest.mark.needs("postfix-hash")
def test_a_reload_that_fails_is_told_and_the_map_is_in_place(
    map_directory: MapDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runv")
    publisher = FilePublisher(map_directory.config(reload_postfix=True), lambda username: [])
    assert publisher.publish(registry_of(pablo="p"), forced=False)
    assert publisher.problems["reload-failed"].startswith(
        "The map is in place, but Postfix could not be told to reload. The command"
    )
    assert answers(map_directory, "pablo") == ["p"]
    assert f"Published {map_directory.path}: 1 aliases; 1 added, 0 changed, 0 removed." in caplog.text


@pytest.mark.needs("postfix-hash")
def test_a_row_that_is_no_plain_address_is_never_published(map_directory: MapDirectory) -> None:
    """The registry refuses it; this is the second wall."""
    publisher = publisher_of(map_directory)
    publisher.publish(registry_of(pablo="p"), forced=False)
    before = signature(map_directory)
    good = registry_of(pablo="p", eve="e")
    bad = replace(good, table={**good.rows(), "eve@runv.club": "e@example.org\nroot@runv.club\teve@example.org"})
    with pytest.raises(MapError, match="not all of one alias and one plain address; nothing was published"):
        publisher.publish(bad, forced=False)
    assert signature(map_directory) == before
