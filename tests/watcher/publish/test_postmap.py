"""postmap(1): what it says is a failure, and what it answers is taken at its word."""

import os

import pytest

from watcher.publish.commands import CommandError
from watcher.publish.postmap import DUMPABLE, Postmap, is_plain_postmap

from .conftest import TYPES, MapDirectory, aliases

PATH = "/etc/postfix/runv-member-aliases"


@pytest.mark.parametrize(
    ("command", "plain"),
    [
        (["postmap"], True),
        (["/usr/sbin/postmap"], True),
        (["postmap", PATH], True),
        (["postmap", f"hash:{PATH}"], True),
        (["postmap", f"lmdb:{PATH}"], False),
        (["postmap", "/etc/postfix/other"], False),
        (["postmap", "-w", PATH], False),
        (["postmap", PATH, PATH], False),
        (["sudo", "postmap", PATH], False),
        (["/usr/local/bin/rebuild"], False),
    ],
)
def test_a_command_that_is_just_postmap_on_the_map_means_the_safe_build(command: list[str], plain: bool) -> None:
    assert is_plain_postmap(command, "hash", PATH) is plain


@pytest.mark.parametrize("map_directory", TYPES, indirect=True)
def test_rows_are_built_asked_changed_and_removed(map_directory: MapDirectory) -> None:
    postmap = Postmap("postmap", map_directory.map_type)
    rows = aliases(ana="a", pablo="p", zoe="z")
    map_directory.path.write_text("".join(f"{alias}\t{destination}\n" for alias, destination in rows.items()))
    postmap.build(str(map_directory.path))
    assert postmap.ask(str(map_directory.path), [*rows, "nobody@runv.club"]) == rows
    assert postmap.ask(str(map_directory.path), ["nobody@runv.club"]) == {}
    if map_directory.map_type in DUMPABLE:
        assert postmap.dump(str(map_directory.path)) == rows
        postmap.update(str(map_directory.path), aliases(pablo="q", new="n"))
        postmap.delete(str(map_directory.path), ["ana@runv.club", "nobody@runv.club"])
        assert postmap.dump(str(map_directory.path)) == aliases(pablo="q", zoe="z", new="n")


@pytest.mark.needs("postfix-hash")
@pytest.mark.parametrize("text", ["a@runv.club\tx@example.org\na@runv.club\ty@example.org\n", "lonely\n"])
def test_a_warning_is_a_failure_though_the_exit_status_says_none(map_directory: MapDirectory, text: str) -> None:
    map_directory.path.write_text(text)
    assert map_directory.mail.run("postmap", f"hash:{map_directory.path}").returncode == 0
    with pytest.raises(CommandError, match=r"^The command `postmap hash:.*` complained: postmap: warning: "):
        Postmap("postmap", "hash").build(str(map_directory.path))


@pytest.mark.needs("postfix-hash")
def test_a_warning_about_main_cf_says_nothing_of_the_map(map_directory: MapDirectory) -> None:
    map_directory.path.write_text("a@runv.club\tx@example.org\n")
    with map_directory.mail.path.open("a") as file:
        file.write("myhostname = twice.example.org\nmyhostname = thrice.example.org\n")
    os.utime(
        map_directory.mail.path, (1e9, 1e9)
    )  # of one that was changed just now every Postfix program waits a while
    assert "warning" in map_directory.mail.run("postmap", f"hash:{map_directory.path}").stderr
    postmap = Postmap("postmap", "hash")
    postmap.build(str(map_directory.path))
    assert postmap.ask(str(map_directory.path), ["a@runv.club"]) == {"a@runv.club": "x@example.org"}


@pytest.mark.parametrize("script", ["echo warning >&2", "echo fatal >&2; exit 1", "exit 2", "kill -9 $$"])
def test_no_answer_of_a_broken_postmap_is_taken_for_an_empty_one(map_directory: MapDirectory, script: str) -> None:
    postmap = Postmap(map_directory.program("postmap", script), "hash")
    for ask in (
        lambda: postmap.ask(str(map_directory.path), ["a@runv.club"]),
        lambda: postmap.dump(str(map_directory.path)),
        lambda: postmap.build(str(map_directory.path)),
        lambda: postmap.update(str(map_directory.path), aliases(a="x")),
        lambda: postmap.delete(str(map_directory.path), ["a@runv.club"]),
    ):
        with pytest.raises(CommandError):
            ask()
