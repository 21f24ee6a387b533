import shutil

from cli.doctor.forwarding import find_circles, follow
from tests.cli.doctor.conftest import Clinic
from tests.support.layout import put
from tests.support.mailconfig import PATH


def test_a_map_that_answers_otherwise_than_the_registry(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org", maria="m@example.org", joana="j@example.org")
    assert clinic.watcher is not None
    clinic.watcher.stop()
    put(
        site.paths.map,
        b"pablo@runv.club evil@example.net\nmaria@runv.club m@example.org\nold@runv.club o@x.org\n",
        0o644,
    )
    assert site.mail.run("postmap", site.table).returncode == 0
    report = clinic.examine()
    assert report.worse == {"watcher-running", "answers"}
    sync = "runv-admin-email-alias sync"
    assert report.of("answers") == [
        (
            "problem",
            "The map sends an alias elsewhere than the registry has it: pablo@runv.club -> evil@example.net (not "
            "p@example.org).",
            sync,
        ),
        ("problem", "The map does not answer for an active alias: joana@runv.club.", sync),
        ("problem", "The map still answers for an alias that is not active: old@runv.club.", sync),
    ]
    site.start_watcher()
    clinic.paste(sync)
    assert clinic.examine().worse == set()

    clinic.watcher = site.watchers[-1]
    clinic.watcher.stop()
    site.paths.map.with_name(f"{site.paths.map.name}.db").unlink()
    severity, found, fix = clinic.examine().one("answers")
    assert (severity, fix) == ("problem", sync)
    expected = (
        f"The map {site.table} cannot be asked, so where virtual_alias_maps names it, Postfix puts all mail off. "
    )
    assert found.startswith(f"{expected}The command `postmap -q - {site.table}` ")


def test_a_decision_that_is_applied_between_two_looks_is_no_difference(clinic: Clinic) -> None:
    site = clinic.site
    clinic.registry(pablo="new@example.org")
    later = site.root / "later.json"
    site.paths.registry.rename(later)
    clinic.registry(pablo="old@example.org")
    put(site.paths.map, b"pablo@runv.club new@example.org\n", 0o644)
    assert site.mail.run("postmap", site.table).returncode == 0
    move = f'[ ! -e {later} ] || [ "$1" != -q ] || mv {later} {site.paths.registry}'
    clinic.programs.make("postmap", f'{move}; exec {shutil.which("postmap", path=PATH)} "$@"')
    found = "The map answers for the one active alias as the registry has it."
    assert clinic.examine().of("answers") == [("ok", found, None)]
    assert not later.exists()


def test_an_alias_that_an_earlier_table_answers_for(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org", maria="m@example.org", joana="j@example.org")
    text = "pablo@runv.club elsewhere@example.net\nmaria@runv.club m@example.org\n@runv.club all@example.net\n"
    others = clinic.table("virtual", text)
    patterns = site.paths.postfix / "patterns"
    patterns.write_text("/^joana@/ j@example.net\n")
    tables = f"{others}, regexp:{patterns}, {site.table}"
    site.mail.write(virtual_alias_maps=tables)
    report = clinic.examine()
    assert report.worse == {"shadowed"}
    fix = f"postconf -e 'virtual_alias_maps = {site.table}, {others}, regexp:{patterns}' && /bin/true"
    message = "The table {} comes before the map and answers for an alias with something else: {}."
    # What is the same there, or a catch-all, which is asked only when no table has the whole address, is no shadow.
    assert report.of("shadowed") == [
        (
            "problem",
            message.format(others, "pablo@runv.club -> elsewhere@example.net (not p@example.org)"),
            fix,
        ),
        (
            "problem",
            message.format(f"regexp:{patterns}", "joana@runv.club -> j@example.net (not j@example.org)"),
            fix,
        ),
    ]
    clinic.paste(fix)
    assert clinic.examine().worse == set()


def test_a_table_that_cannot_be_asked(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org")
    site.mail.write(virtual_alias_maps=f"hash:/nonexistent/virtual, socketmap:unix:/nonexistent:x, {site.table}")
    report = clinic.examine()
    assert report.worse == {"tables"}
    (first, second) = report.of("tables")
    assert (first[2], second[2]) == (None, None)
    assert first[0] == "problem"
    assert first[1].startswith(
        "The table hash:/nonexistent/virtual of virtual_alias_maps cannot be asked, so Postfix puts all mail off. "
    )
    assert second[0] == "warning"
    assert second[1].startswith(
        "The table socketmap:unix:/nonexistent:x of virtual_alias_maps could not be asked from here. "
    )


def test_a_table_that_was_not_made_or_is_of_a_type_that_is_not_there_has_a_command(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org")
    unmade = site.paths.postfix / "unmade"
    unmade.write_text("postmaster@runv.club root@example.org\n")
    real = shutil.which("postconf", path=PATH)
    clinic.programs.make("postconf", f'case "$*" in *-m) printf "hash\\n";; *) exec {real} "$@";; esac')
    site.mail.write(virtual_alias_maps=f"{site.table}, hash:{unmade}, pgsql:/nonexistent.cf")
    report = clinic.examine()
    assert [(severity, fix) for severity, _, fix in report.of("tables")] == [
        ("problem", f"postmap hash:{unmade}"),
        ("problem", "apt-get install postfix-pgsql"),
    ]
    assert report.worse == {"tables"}
    site.mail.write(virtual_alias_maps=f"{site.table}, hash:{unmade}")
    clinic.paste(report.of("tables")[0][2] or "")
    assert clinic.examine().worse == set()


def test_aliases_that_lead_back_or_to_nobody_or_stay_here(clinic: Clinic) -> None:
    site = clinic.site
    others = clinic.table(
        "virtual",
        "back@example.net maria@runv.club\n@round.example.net @runv.club\nout@runv.club away@example.org\n",
    )
    site.mail.write(virtual_alias_maps=f"{others}, {site.table}", mydestination="mail.runv.club")
    clinic.start(
        pablo="p@example.org",
        ana="bia@runv.club",
        bia="ana@runv.club",
        maria="back@example.net",
        rita="rita@round.example.net",
        rosa="nobody@runv.club",
        ruth="ruth@runv.club",
        joana="out@runv.club",
        olga="olga@mail.runv.club",
    )
    report = clinic.examine()
    assert report.worse == {"loops", "dead-ends", "own-domains"}
    assert report.one("loops") == (
        "problem",
        "4 aliases lead back to where they came from, so mail to them never arrives: ana@runv.club -> bia@runv.club "
        "-> ana@runv.club, bia@runv.club -> ana@runv.club -> bia@runv.club, maria@runv.club -> back@example.net -> "
        "maria@runv.club and 1 more.",
        "runv-admin-email-alias revoke ana --reason 'The address leads back here.'",
    )
    assert report.one("dead-ends") == (
        "problem",
        "2 aliases lead to addresses of this server that nobody has, so mail to them bounces: rosa@runv.club -> "
        "nobody@runv.club, ruth@runv.club -> ruth@runv.club.",
        "runv-admin-email-alias revoke rosa --reason 'Nobody has that address.'",
    )
    assert report.one("own-domains") == (
        "warning",
        "An alias leads to an address that this server keeps for itself, and not out of it: olga@runv.club -> "
        "olga@mail.runv.club.",
        "runv-admin-email-alias revoke olga --reason 'The address is on this server.'",
    )
    clinic.paste(report.fix("loops"))
    assert "ana@runv.club -> bia" not in clinic.examine().one("loops")[1]


def test_long_ways_are_followed_so_far_and_no_further() -> None:
    asked: list[list[str]] = []

    def next_one(addresses: object) -> dict[str, list[str]]:
        (address,) = list(addresses)  # type: ignore[call-overload]
        asked.append([address])
        return {address: [f"{int(address.partition('@')[0]) + 1}@x"]}

    graph = follow({"a@x": "0@x"}, next_one, deepest=5)
    assert asked == [[f"{number}@x"] for number in range(5)]
    assert find_circles(["a@x"], graph) == {}
    assert find_circles(["a"], {"a": ["b", "c"], "b": ["d"], "c": ["d", "a"], "d": ["d"]}) == {"a": ["a", "c", "a"]}
