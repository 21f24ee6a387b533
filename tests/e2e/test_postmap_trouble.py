"""postmap missing, failing, complaining or lying: the map that Postfix asks stays good, and catches up by itself."""

import hashlib
import re
from pathlib import Path

import pytest

from ..support.site import Site
from .acts import (
    activate,
    await_problem,
    await_status,
    await_well,
    entries,
    problems,
    publish,
    script,
    settle,
    states,
    write_registry,
)
from .queue_site import newcomer, refusal

REAL = "/usr/sbin/postmap"
# Each try is one that changes the table; the one that would ask it is started beside it.
COUNTED = """[ "$1" = -q ] || echo called >>{calls}; exit 1"""
STAYS = "The map {map} could not be brought up to date; the earlier one stays. "


@pytest.fixture
def program(site: Site) -> Path:
    """A postmap of the test's own, which is the real one at first."""
    path = script(site.root / "bin" / "postmap", f'exec {REAL} "$@"')
    site.configure(postmap_command=[str(path)])
    return path


LAST_TEXT = "\nfor last; do :; done\ntext=${last#*:}"
"""Shell: the source text of the table that the last argument names."""

HARMS = {
    "it fails": (
        "echo 'postmap: fatal: no more ideas' >&2; exit 75",
        "The command `{postmap} -i -r {next}` failed with exit status 75: postmap: fatal: no more ideas",
    ),
    "it fails without a word": (
        "exit 1",
        "The command `{postmap} -i -r {next}` failed with exit status 1: it said nothing.",
    ),
    "it is killed": ("kill -9 $$", "The command `{postmap} -i -r {next}` failed with exit status -9: it said nothing."),
    "it complains, and escapes for the terminal": (
        f'printf "postmap: warning: \\033[2J odd\\n" >&2; exec {REAL} "$@"',
        "The command `{postmap} -i -r {next}` complained: postmap: warning: \\x1b[2J odd",
    ),
    "it does nothing and reports success": (
        f'case "$1" in -q) exec {REAL} "$@";; *) exit 0;; esac',
        "The new map was asked and answered nothing for member02@runv.club, where member02@example.org was expected.",
    ),
    "it is no program": (
        "",
        "The program {postmap} was not found or cannot be executed. Install it, or mend the config.",
    ),
}


@pytest.mark.parametrize("case", HARMS)
def test_the_old_map_stays_while_postmap_does_not_do_its_work(site: Site, program: Path, case: str) -> None:
    harm, message = HARMS[case]
    site.accounts.add_many(["pablo", "maria"])
    site.start_watcher()
    publish(site, entries(2))
    before = states(site.paths.postfix)

    script(program, harm)
    if not harm:
        program.chmod(0o644)
    write_registry(site, entries(3))

    next_map = f"hash:{site.paths.postfix}/.runv-member-aliases.next-*/runv-member-aliases"
    said = re.sub(r"(?<=\.next-)[0-9a-f]{8}", "*", await_problem(site, "publish-failed"))
    assert said == (STAYS + message).format(map=site.paths.map, postmap=program, next=next_map)
    assert states(site.paths.postfix) == before
    assert site.map_lookup("member01@runv.club") == "member01@example.org"
    # Requests and decisions go on meanwhile.
    activate(site, "pablo", "p@example.org")
    assert list(problems(site)) == ["publish-failed"]

    script(program, f'exec {REAL} "$@"')
    # A change is tried at once; what is tried again by the clock has tests of its own.
    activate(site, "maria", "m@example.org")

    await_well(site)
    found = [site.map_lookup(f"{name}@runv.club") for name in ("member02", "pablo", "maria")]
    assert found == ["member02@example.org", "p@example.org", "m@example.org"]
    assert set(states(site.paths.postfix)) == set(before)


def test_a_postmap_that_is_missing_from_the_start_makes_no_map_and_is_reported(site: Site) -> None:
    path = site.root / "bin" / "postmap"
    site.configure(postmap_command=[str(path)])
    write_registry(site, entries(2))

    site.start_watcher()

    assert problems(site)["publish-failed"] == (
        f"{STAYS.format(map=site.paths.map)}The program {path} was not found or cannot be executed. Install it, or "
        "mend the config."
    )
    assert site.status()["published"] is None
    assert {name for name in states(site.paths.postfix) if "runv" in name} == set()

    script(path, f'exec {REAL} "$@"')

    await_well(site)
    assert site.map_lookup("member01@runv.club") == "member01@example.org"


def a_while(site: Site) -> None:
    """Let two seconds of the watcher's own clock pass: as long as a file that is not whole is left alone."""
    member = newcomer(site)
    refusal(site, member.name, site.drop(member.name, "never-whole.json", b"{"))


def test_a_publish_that_fails_is_tried_again_after_a_second_and_then_ever_more_seldom(
    site: Site, program: Path
) -> None:
    site.start_watcher()
    publish(site, entries(2))
    calls = site.root / "calls"
    script(program, COUNTED.format(calls=calls))

    write_registry(site, entries(3))
    await_problem(site, "publish-failed")
    a_while(site)

    assert 2 <= calls.read_text().count("called") <= 4


def test_what_else_is_wrong_is_told_as_long_as_a_publish_waits_for_its_next_try(site: Site, program: Path) -> None:
    site.start_watcher()
    publish(site, entries(2))
    script(program, "exit 1")
    write_registry(site, entries(3))
    await_problem(site, "publish-failed")

    site.mail.write(virtual_alias_maps="")

    await_problem(site, "map-not-used")
    settle(site)
    assert sorted(problems(site)) == ["map-not-used", "publish-failed"]
    assert "No longer a problem" not in site.watchers[0].log


def test_a_map_that_was_taken_back_is_tried_again_as_seldom(site: Site, program: Path) -> None:
    site.start_watcher()
    publish(site, entries(2))
    calls = site.root / "calls"
    live = f"-q - hash:{site.paths.map}"
    script(program, f'case "$*" in "{live}") echo called >>{calls}; exit 1;; esac; exec {REAL} "$@"')

    write_registry(site, entries(3))
    await_problem(site, "publish-failed")
    a_while(site)

    assert 2 <= calls.read_text().count("called") <= 4


@pytest.mark.parametrize("command", [["postmap"], ["{real}"], ["postmap", "{map}"], ["postmap", "hash:{map}"]])
def test_postmap_on_the_map_in_any_notation_means_the_safe_build(site: Site, command: list[str]) -> None:
    site.configure(postmap_command=[word.format(real=REAL, map=site.paths.map) for word in command])
    site.start_watcher()
    publish(site, entries(2))
    before = states(site.paths.postfix)

    publish(site, entries(3))

    assert site.map_lookup("member02@runv.club") == "member02@example.org"
    after = states(site.paths.postfix)
    for name in ("runv-member-aliases", "runv-member-aliases.db"):
        assert after[name].inode != before[name].inode


def test_a_table_that_came_out_empty_is_not_published(site: Site, program: Path) -> None:
    """As lmdb does on a full disk, with exit status 0 and not a word."""
    site.start_watcher()
    publish(site, entries(2))
    before = states(site.paths.postfix)
    empty = site.root / "empty"
    empty.touch()
    assert site.mail.run(REAL, f"hash:{empty}").returncode == 0

    script(
        program,
        f'case "$1" in -q) exec {REAL} "$@";; -i) cat >/dev/null;; esac{LAST_TEXT}\ncp {empty}.db "$text.db"',
    )
    write_registry(site, entries(3))

    found = await_problem(site, "publish-failed")
    # Of a few keys that were changed in a copy these are asked, and every one of a table that was made anew.
    assert found.startswith(f"{STAYS.format(map=site.paths.map)}The new map was asked and answered nothing for member0")
    assert states(site.paths.postfix)["runv-member-aliases.db"] == before["runv-member-aliases.db"]
    assert site.map_lookup("member01@runv.club") == "member01@example.org"


def test_the_map_is_proved_where_postfix_reads_it_and_a_wrong_one_is_taken_back(site: Site, program: Path) -> None:
    """It answers well aside and wrong in place, and from then on no new table can be made."""
    site.start_watcher()
    publish(site, entries(2))
    text = site.paths.map.read_bytes()
    asked = site.root / "asked"

    script(
        program,
        f'case "$*" in "-q - hash:{site.paths.map}") touch {asked}; exit 1;; esac{LAST_TEXT}\n'
        f'[ ! -e {asked} ] || ! grep -q member02 "$text" || exit 1\nexec {REAL} "$@"',
    )
    write_registry(site, entries(3))

    await_status(site, lambda: "exit status 1" in problems(site).get("publish-failed", ""), what="the second try")
    assert (
        f"After the new map {site.paths.map} was in place it gave wrong answers, so the earlier one was put back. The "
        "new map was asked and answered nothing for member02@runv.club, where member02@example.org was expected.\n"
    ) in site.watchers[0].log
    assert site.paths.map.read_bytes() == text
    assert [site.map_lookup(f"member0{number}@runv.club") for number in (1, 2)] == ["member01@example.org", None]

    script(program, f'exec {REAL} "$@"')

    await_well(site)
    assert site.map_lookup("member02@runv.club") == "member02@example.org"


def test_a_forced_sync_that_fails_is_kept_and_tried_again_as_seldom(site: Site, program: Path) -> None:
    site.start_watcher()
    publish(site, entries(2))
    calls = site.root / "calls"
    script(program, COUNTED.format(calls=calls))
    write_registry(site, entries(3))
    await_problem(site, "publish-failed")

    digest = hashlib.sha256(site.paths.registry.read_bytes()).hexdigest()
    marker = site.drop_marker({"decision": "sync", "force": True, "registry_sha256": digest})
    a_while(site)

    assert marker.exists()
    assert 2 <= calls.read_text().count("called") <= 5
