"""The config's say in how a map is published: off, by another command, with a reload, and whether Postfix asks it."""

import shlex
from pathlib import Path

import pytest

from ..support.layout import put
from ..support.needs import require
from ..support.site import Site
from ..support.watcher import RunningWatcher
from .acts import (
    activate,
    await_problem,
    await_well,
    decide,
    entries,
    entry,
    problems,
    publish,
    script,
    settle,
    states,
    write_registry,
)

REAL = "/usr/sbin/postmap"


def test_nothing_of_postfix_is_touched_while_publishing_is_off(site: Site) -> None:
    site.accounts.add("pablo")
    calls = site.root / "calls"
    site.configure(
        enabled=False,
        postmap_command=[str(script(site.root / "bin" / "postmap", f"echo called >>{calls}"))],
        reload_postfix=True,
        reload_command=[str(script(site.root / "bin" / "reload", f"echo called >>{calls}"))],
    )
    put(site.paths.map, b"old@runv.club\told@example.org\n", 0o644)
    before = states(site.paths.postfix)
    site.start_watcher()

    assert site.member("pablo", "request", "p@example.org").returncode == 0
    approved = site.admin("approve", "pablo")

    assert (approved.returncode, approved.stderr) == (0, "")
    assert approved.stdout.splitlines()[1:] == [
        "Approved: pablo@runv.club -> p@example.org.",
        f"It is recorded only: publishing is switched off (`enabled` is false in {site.paths.config}).",
    ]
    assert site.registry()["pablo"]["status"] == "active"
    decide(site, {"decision": "sync"})
    assert states(site.paths.postfix) == before
    assert not calls.exists()
    status = site.status()
    assert (status["enabled"], status["published"], status["problems"]) == (False, None, [])

    site.configure(enabled=True, postmap_command=["postmap"], reload_command=["/bin/true"])

    await_well(site)
    assert site.map_lookup("pablo@runv.club") == "p@example.org"


def test_only_the_text_is_written_where_somebody_else_builds_the_table(site: Site) -> None:
    table = site.paths.postfix / "runv-member-aliases.db"
    site.configure(run_postmap=False)
    site.start_watcher()

    publish(site, entries(1))
    assert site.paths.map.read_bytes() == b"member00@runv.club\tmember00@example.org\n"
    assert not table.exists()

    assert site.mail.run("postmap", site.table).returncode == 0
    built = table.stat()
    publish(site, entries(2))
    settle(site)
    assert site.paths.map.read_bytes().count(b"\n") == 2
    assert (table.stat().st_ino, table.stat().st_mtime_ns) == (built.st_ino, built.st_mtime_ns)
    assert site.map_lookup("member01@runv.club") is None
    assert problems(site) == {}


def test_a_command_of_the_administrators_own_is_run_exactly_as_given(site: Site) -> None:
    calls = site.root / "calls"
    path = site.paths.map
    program = script(
        site.root / "bin" / "build",
        f'{{ printf "%s|" "$@"; cat {path}; }} >>{calls}\nexec {REAL} hash:{path}',
    )
    site.configure(postmap_command=[str(program), "--now", "two words", "*"])
    site.start_watcher()
    calls.write_text("")

    publish(site, entries(1))

    settle(site)
    assert calls.read_text() == "--now|two words|*|member00@runv.club\tmember00@example.org\n"
    assert site.map_lookup("member00@runv.club") == "member00@example.org"


def test_a_command_of_the_administrators_own_that_fails_is_reported(site: Site) -> None:
    program = script(site.root / "bin" / "build", f"exec {REAL} hash:{site.paths.map}")
    site.configure(postmap_command=[str(program), "--now"])
    site.start_watcher()
    publish(site, entries(1))
    script(program, "echo 'no more room' >&2; exit 3")

    write_registry(site, entries(2))

    assert await_problem(site, "publish-failed") == (
        f"The map {site.paths.map} could not be brought up to date; the earlier one stays. The command `{program} "
        "--now` failed with exit status 3: no more room"
    )
    assert site.map_lookup("member00@runv.club") == "member00@example.org"
    script(program, f"exec {REAL} hash:{site.paths.map}")
    await_well(site)
    assert site.map_lookup("member01@runv.club") == "member01@example.org"


@pytest.mark.parametrize(
    ("backend", "wanted", "reloads"),
    [
        ("postfix-hash", True, 2),
        ("postfix-hash", False, 0),
        ("postfix-hash", "auto", 0),
        ("postfix-lmdb", "auto", 0),
        ("postfix-texthash", "auto", 2),
        ("postfix-texthash", False, 0),
    ],
)
def test_postfix_is_reloaded_once_for_each_new_map_where_that_is_wanted(
    site: Site, backend: str, wanted: bool | str, reloads: int
) -> None:
    require(backend)
    calls = site.root / "calls"
    program = script(site.root / "bin" / "reload", f'echo "$*" >>{calls}')
    site.configure(backend=backend, reload_postfix=wanted, reload_command=[str(program), "postfix"])
    site.mail.write(virtual_alias_maps=f"{backend.removeprefix('postfix-')}:{site.paths.map}")
    site.start_watcher()
    calls.write_text("")

    publish(site, entries(1))
    publish(site, {**entries(1), "late": entry("late", "l@example.org", status="cancelled")})
    publish(site, entries(2))

    settle(site)
    assert calls.read_text() == "postfix\n" * reloads


def test_a_reload_that_fails_is_reported_though_the_map_is_in_place(site: Site) -> None:
    program = script(site.root / "bin" / "reload", "echo 'no such service' >&2; exit 5")
    site.configure(reload_postfix=True, reload_command=[str(program)])
    site.start_watcher()

    publish(site, entries(1))

    assert problems(site) == {
        "reload-failed": "The map is in place, but Postfix could not be told to reload. The command "
        f"`{program}` failed with exit status 5: no such service"
    }
    assert site.map_lookup("member00@runv.club") == "member00@example.org"
    script(program, "exit 0")
    publish(site, entries(2))
    assert problems(site) == {}


def told_not_used(site: Site, line: str) -> str:
    return (
        f"Postfix does not ask the map {site.table}, so the aliases are published but not live. Run `postconf -e "
        f"'virtual_alias_maps = {line}'`, then `postfix reload`."
    )


@pytest.mark.parametrize("present", ["", "hash:/etc/aliases", "hash:/etc/aliases, hash:{map}-other"])
def test_a_map_that_postfix_does_not_ask_is_reported_with_the_line_that_mends_it(
    site: Site, watcher: RunningWatcher, present: str
) -> None:
    assert watcher.running
    site.accounts.add("pablo")
    value = present.format(map=site.paths.map)
    site.mail.write(virtual_alias_maps=value)
    line = f"{value}, {site.table}" if value else site.table

    assert await_problem(site, "map-not-used") == told_not_used(site, line)
    activate(site, "pablo", "p@example.org")
    assert site.map_lookup("pablo@runv.club") == "p@example.org"

    site.mail.write(virtual_alias_maps=line)

    await_well(site)


def test_a_change_of_main_cf_is_heard_where_the_map_lies_elsewhere(site: Site) -> None:
    maps = site.root / "maps"
    maps.mkdir(mode=0o755)
    site.configure(virtual_alias_file=str(maps / "members"))
    site.mail.write(virtual_alias_maps=f"hash:{maps}/members")
    site.start_watcher()
    settle(site)

    site.mail.write(virtual_alias_maps="")

    assert f"virtual_alias_maps = hash:{maps}/members" in await_problem(site, "map-not-used")
    site.mail.write(virtual_alias_maps=f"hash:{maps}/members")
    await_well(site)


def test_the_line_that_is_told_mends_it(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    site.mail.write(virtual_alias_maps="hash:/etc/aliases")
    command = await_problem(site, "map-not-used").split("`")[1]

    assert site.run(shlex.split(command)).returncode == 0

    await_well(site)
    found = site.mail.run("postconf", "-h", "virtual_alias_maps").stdout
    assert found == f"hash:/etc/aliases, {site.table}\n"


def test_a_map_that_postfix_asks_in_any_notation_is_no_problem(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    for value in ("hash:/etc/aliases {}", "hash:/etc/aliases,{}", "proxy:{}", "$members", "{}"):
        site.mail.write(virtual_alias_maps="")
        await_problem(site, "map-not-used")

        site.mail.write(members=site.table, virtual_alias_maps=value.format(site.table))

        await_well(site)


def test_whether_postfix_asks_the_map_is_left_alone_where_that_is_not_wanted(site: Site) -> None:
    site.configure(check_maps=False)
    site.mail.write(virtual_alias_maps="")

    site.start_watcher()

    assert problems(site) == {}


def test_a_configuration_of_postfix_that_cannot_be_read_is_reported(site: Site, watcher: RunningWatcher) -> None:
    assert watcher.running
    main_cf: Path = site.mail.path
    main_cf.unlink()

    message = await_problem(site, "map-not-used")

    assert message.startswith(f"Whether Postfix asks the map {site.table} could not be found out. ")
    site.mail.write()
    await_well(site)
