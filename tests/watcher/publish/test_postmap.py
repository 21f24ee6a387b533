"""postmap(1): what it says is a failure, and what it answers is taken at its word."""

import os

import pytest

from watcher.publish.commands import CommandError
from watcher.publish.postmap import DUMPABLE, Postmap, is_plain_postmap

from .conftest import TYPES, House, aliases

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


@pytest.mark.parametrize("house", TYPES, indirect=True)
def test_rows_are_built_asked_changed_and_removed(house: House) -> None:
    postmap = Postmap("postmap", house.map_type)
    rows = aliases(ana="a", pablo="p", zoe="z")
    house.path.write_text("".join(f"{alias}\t{destination}\n" for alias, destination in rows.items()))
    postmap.build(str(house.path))
    assert postmap.ask(str(house.path), [*rows, "nobody@runv.club"]) == rows
    assert postmap.ask(str(house.path), ["nobody@runv.club"]) == {}
    if house.map_type in DUMPABLE:
        assert postmap.dump(str(house.path)) == rows
        postmap.update(str(house.path), aliases(pablo="q", new="n"))
        postmap.delete(str(house.path), ["ana@runv.club", "nobody@runv.club"])
        assert postmap.dump(str(house.path)) == aliases(pablo="q", zoe="z", new="n")


@pytest.mark.needs("postfix-hash")
@pytest.mark.parametrize("text", ["a@runv.club\tx@example.org\na@runv.club\ty@example.org\n", "lonely\n"])
def test_a_warning_is_a_failure_though_the_exit_status_says_none(house: House, text: str) -> None:
    house.path.write_text(text)
    assert house.mail.run("postmap", f"hash:{house.path}").returncode == 0
    with pytest.raises(CommandError, match=r"^The command `postmap hash:.*` complained: postmap: warning: "):
        Postmap("postmap", "hash").build(str(house.path))


@pytest.mark.needs("postfix-hash")
def test_a_warning_about_main_cf_says_nothing_of_the_map(house: House) -> None:
    house.path.write_text("a@runv.club\tx@example.org\n")
    with house.mail.path.open("a") as file:
        file.write("myhostname = twice.example.org\nmyhostname = thrice.example.org\n")
    os.utime(house.mail.path, (1e9, 1e9))  # of one that was changed just now every Postfix program waits a while
    assert "warning" in house.mail.run("postmap", f"hash:{house.path}").stderr
    postmap = Postmap("postmap", "hash")
    postmap.build(str(house.path))
    assert postmap.ask(str(house.path), ["a@runv.club"]) == {"a@runv.club": "x@example.org"}


@pytest.mark.parametrize("script", ["echo warning >&2", "echo fatal >&2; exit 1", "exit 2", "kill -9 $$"])
def test_no_answer_of_a_broken_postmap_is_taken_for_an_empty_one(house: House, script: str) -> None:
    postmap = Postmap(house.program("postmap", script), "hash")
    for ask in (
        lambda: postmap.ask(str(house.path), ["a@runv.club"]),
        lambda: postmap.dump(str(house.path)),
        lambda: postmap.build(str(house.path)),
        lambda: postmap.update(str(house.path), aliases(a="x")),
        lambda: postmap.delete(str(house.path), ["a@runv.club"]),
    ):
        with pytest.raises(CommandError):
            ask()
