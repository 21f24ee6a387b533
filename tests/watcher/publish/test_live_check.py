"""The map that Postfix reads is asked after each publish, and a wrong answer brings the earlier map back."""

from pathlib import Path

import pytest

from watcher.publish.commands import CommandError
from watcher.publish.map_files import MapError

from .conftest import TYPES, MapDirectory, answers, publisher_of, registry_of

# A postmap that tells the truth of what is built aside, and lies about the map that is live.
LIES_LIVE = """case "$1" in
-q) case "$3" in
    */.*.next-*) ;;
    *) test -e {lie} && {{ cat >/dev/null; echo 'pablo@runv.club	eve@example.org'; exit 0; }};;
    esac;;
esac
exec $real "$@"
"""


@pytest.mark.parametrize("map_directory", TYPES, indirect=True)
def test_a_live_map_that_answers_wrongly_brings_the_one_before_back(
    map_directory: MapDirectory, tmp_path: Path
) -> None:
    lie = tmp_path / "lie"
    publisher = publisher_of(
        map_directory, postmap_command=[map_directory.program("postmap", LIES_LIVE.format(lie=lie))]
    )
    publisher.publish(registry_of(ana="a", pablo="p"), forced=False)
    lie.touch()
    with pytest.raises(MapError, match=r"^After the new map .* was in place it gave wrong answers, so the earlier one"):
        publisher.publish(registry_of(ana="a", pablo="q", new="n"), forced=False)
    assert answers(map_directory, "ana", "pablo", "new") == ["a", "p", None]
    assert map_directory.files() == {map_directory.path.name, map_directory.table.name}
    lie.unlink()
    assert publisher.publish(registry_of(ana="a", pablo="q", new="n"), forced=False)
    assert answers(map_directory, "ana", "pablo", "new") == ["a", "q", "n"]


@pytest.mark.needs("postfix-hash")
def test_when_not_even_the_earlier_map_can_be_put_back_it_says_so(map_directory: MapDirectory, tmp_path: Path) -> None:
    broken = LIES_LIVE.format(lie=tmp_path / "lie").replace(
        'case "$1" in\n', f'test -e {tmp_path}/lie && case "$1" in hash:*) exit 1;; esac\ncase "$1" in\n', 1
    )
    publisher = publisher_of(map_directory, postmap_command=[map_directory.program("postmap", broken)])
    publisher.publish(registry_of(pablo="p"), forced=False)
    (tmp_path / "lie").touch()
    with pytest.raises(MapError, match=r"gives wrong answers, and the earlier one could not be put back"):
        publisher.publish(registry_of(pablo="q"), forced=False)
    (tmp_path / "lie").unlink()
    assert publisher.publish(registry_of(pablo="q"), forced=False)
    assert answers(map_directory, "pablo") == ["q"]


@pytest.mark.needs("postfix-hash")
def test_a_failed_publish_is_made_whole_by_the_next_one(map_directory: MapDirectory, tmp_path: Path) -> None:
    script = f'test -e {tmp_path}/full && case "$1" in -q|-s) ;; *) exit 1;; esac; exec $real "$@"'
    publisher = publisher_of(map_directory, postmap_command=[map_directory.program("postmap", script)])
    publisher.publish(registry_of(ana="a"), forced=False)
    (tmp_path / "full").touch()
    for _ in range(2):
        with pytest.raises(CommandError):
            publisher.publish(registry_of(ana="a", pablo="p"), forced=False)
        assert publisher.drifted(asked=False)
        assert answers(map_directory, "ana", "pablo") == ["a", None]
    (tmp_path / "full").unlink()
    assert publisher.publish(registry_of(ana="a", pablo="p"), forced=False)
    assert answers(map_directory, "ana", "pablo") == ["a", "p"]


@pytest.mark.needs("postfix-hash")
def test_another_command_is_run_exactly_as_given_after_the_text_is_in_place(
    map_directory: MapDirectory, tmp_path: Path
) -> None:
    path, calls = map_directory.path, tmp_path / "calls"
    script = f'echo "$@" >>{calls}; cat {path} >>{calls}; exec $real hash:{path}'
    program = map_directory.program("rebuild", script)
    publisher = publisher_of(map_directory, postmap_command=[program, "--now", "a b"])
    publisher.publish(registry_of(pablo="p"), forced=False)
    assert (tmp_path / "calls").read_text() == "--now a b\npablo@runv.club\tp@example.org\n"
    assert answers(map_directory, "pablo") == ["p"]
    assert not publisher.publish(registry_of(pablo="p"), forced=False)
    assert publisher.publish(registry_of(pablo="q"), forced=False)
    assert answers(map_directory, "pablo") == ["q"]


@pytest.mark.needs("postfix-hash")
def test_another_command_that_builds_something_else_brings_the_map_before_back(
    map_directory: MapDirectory, tmp_path: Path
) -> None:
    script = f"test -e {tmp_path}/lie && rm {tmp_path}/lie || $real hash:{map_directory.path}"
    publisher = publisher_of(map_directory, postmap_command=[map_directory.program("rebuild", script)])
    publisher.publish(registry_of(pablo="p"), forced=False)
    (tmp_path / "lie").touch()
    with pytest.raises(MapError, match="so the earlier one was put back"):
        publisher.publish(registry_of(pablo="q"), forced=False)
    assert answers(map_directory, "pablo") == ["p"]
    assert map_directory.path.read_text() == "pablo@runv.club\tp@example.org\n"
