"""Whether Postfix asks the map at all, and the line that mends it."""

import os
from pathlib import Path

import pytest

from watcher.publish.postfix import MapCheck, main_cf

from .conftest import MapDirectory

pytestmark = pytest.mark.needs("postfix")


def check(map_directory: MapDirectory, maps: str, **keys: object) -> str | None:
    map_directory.mail.write(virtual_alias_maps=maps)
    return MapCheck(map_directory.config(**keys)).trouble()


@pytest.mark.parametrize(
    "maps",
    [
        "{map}",
        "hash:/etc/aliases, {map}",
        "hash:/etc/aliases {map}",
        "hash:/etc/aliases,{map},lmdb:/x",
        "hash:/etc/aliases,\n    {map}",
        "proxy:{map}",
        "hash:/a proxy:{map}",
        "$virtual_maps_of_ours",
        "${{virtual_maps_of_ours}}, hash:/a",
        "hash:$here/runv-member-aliases",
    ],
)
def test_a_map_that_postfix_names_is_live(map_directory: MapDirectory, maps: str) -> None:
    name = f"hash:{map_directory.path}"
    map_directory.mail.write(virtual_maps_of_ours=name, here=str(map_directory.path.parent))
    assert check(map_directory, maps.format(map=name)) is None


@pytest.mark.parametrize(
    ("maps", "line"),
    [
        ("", "{map}"),
        ("hash:/etc/aliases", "hash:/etc/aliases, {map}"),
        ("hash:/etc/aliases lmdb:/b", "hash:/etc/aliases, lmdb:/b, {map}"),
        ("{map}-old", "{map}-old, {map}"),
        ("lmdb:/x, lmdb:{path}", "lmdb:/x, {map}"),
    ],
)
def test_a_map_that_postfix_does_not_name_is_told_with_the_line_that_mends_it(
    map_directory: MapDirectory, maps: str, line: str
) -> None:
    names = {"map": f"hash:{map_directory.path}", "path": str(map_directory.path)}
    message = check(map_directory, maps.format(**names))
    assert message == (
        f"Postfix does not ask the map hash:{map_directory.path}, so the aliases are published but not live. Run "
        f"`postconf -e 'virtual_alias_maps = {line.format(**names)}'`, then `postfix reload`."
    )


def test_the_line_is_taken_by_postconf_and_mends_it(map_directory: MapDirectory) -> None:
    found = check(map_directory, "hash:/etc/aliases")
    assert found is not None
    setting = found.partition("postconf -e '")[2].partition("'")[0]
    assert map_directory.mail.run("postconf", "-e", setting).returncode == 0
    os.utime(map_directory.mail.path, (1e9, 1e9))
    assert MapCheck(map_directory.config()).trouble() is None


def test_nobody_is_asked_again_before_main_cf_has_changed(
    map_directory: MapDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    map_directory.mail.write(virtual_alias_maps="")
    mapcheck = MapCheck(map_directory.config())
    message = mapcheck.trouble()
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("watcher.publish.commands._SYSTEM_PATH", "/nowhere")
    assert not mapcheck.changed()
    assert mapcheck.trouble() == message
    map_directory.mail.write(virtual_alias_maps=f"hash:{map_directory.path}")
    assert mapcheck.changed()
    assert "could not be found out" in str(mapcheck.trouble())


def test_after_main_cf_was_mended_all_is_well(map_directory: MapDirectory) -> None:
    map_directory.mail.write(virtual_alias_maps="")
    mapcheck = MapCheck(map_directory.config())
    assert mapcheck.trouble()
    map_directory.mail.write(virtual_alias_maps=f"hash:{map_directory.path}")
    assert mapcheck.trouble() is None


def test_without_main_cf_it_says_so_once_asked_and_again_when_it_is_there(
    map_directory: MapDirectory, tmp_path: Path
) -> None:
    map_directory.mail.write(virtual_alias_maps=f"hash:{map_directory.path}")
    map_directory.mail.path.rename(tmp_path / "away")
    mapcheck = MapCheck(map_directory.config())
    message = mapcheck.trouble()
    assert message is not None
    assert message.startswith(
        f"Whether Postfix asks the map hash:{map_directory.path} could not be found out. The command `postconf"
    )
    assert not mapcheck.changed()  # each try costs a second
    assert mapcheck.trouble() == message
    (tmp_path / "away").rename(map_directory.mail.path)
    assert mapcheck.trouble() is None


def test_without_postconf_it_is_tried_again_each_time(
    map_directory: MapDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    map_directory.mail.write(virtual_alias_maps=f"hash:{map_directory.path}")
    mapcheck = MapCheck(map_directory.config())
    with monkeypatch.context() as context:
        context.setenv("PATH", "/nowhere")
        context.setattr("watcher.publish.commands._SYSTEM_PATH", "/nowhere")
        assert "The program postconf was not found" in str(mapcheck.trouble())
        assert mapcheck.changed()
    assert mapcheck.trouble() is None


@pytest.mark.parametrize("keys", [{"check_maps": False}, {"enabled": False}])
def test_nobody_is_asked_where_nobody_wants_to_know(map_directory: MapDirectory, keys: dict[str, bool]) -> None:
    assert check(map_directory, "", **keys) is None


def test_main_cf_is_where_postfix_looks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setenv("MAIL_CONFIG", "/srv/postfix")
        assert main_cf() == "/srv/postfix/main.cf"
        for value in ("", None):
            context.delenv("MAIL_CONFIG") if value is None else context.setenv("MAIL_CONFIG", value)
            assert main_cf() == "/etc/postfix/main.cf"
