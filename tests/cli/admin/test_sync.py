from typing import Any

import pytest

from schemas.status import Conflict
from tests.cli.conftest import Player, Server, entry
from tests.support.mailconfig import MailConfig


def aliases(count: int, destination: str = "x@example.org") -> dict[str, dict[str, Any]]:
    return {f"m{number:02}": entry(f"m{number:02}", destination) for number in range(count)}


def write_map(server: Server, rows: dict[str, str]) -> None:
    server.paths.map.write_text("".join(f"{alias}\t{rows[alias]}\n" for alias in sorted(rows)))


def test_a_sync_says_that_the_map_is_in_line(server: Server) -> None:
    checksum = server.registry(pablo=entry())
    server.status(published=checksum)
    with server.played(lambda watcher: watcher.marker().unlink()):
        outcome = server.admin("sync")
    assert outcome == (0, "The map is in line with the registry: 1 alias published.\n", "")


def test_a_sync_says_that_aliases_are_left_out(server: Server) -> None:
    checksum = server.registry(pablo=entry(), maria=entry("maria"))
    conflict = Conflict("pablo@runv.club", "p@example.org", ["x@example.org"])
    server.status(("alias-conflict", "One is."), published=checksum, conflicts=[conflict])
    with server.played(lambda watcher: watcher.marker().unlink()):
        outcome = server.admin("sync")
    assert outcome == (
        0,
        "The map is in line with the registry as far as it can be: 1 alias published, 1 alias left out.\n",
        "Warning: One is.\n",
    )


@pytest.mark.parametrize("code", ["publish-failed", "publish-held"])
def test_a_sync_that_could_not_look_does_not_call_the_map_in_line(server: Server, code: str) -> None:
    """What was published last is that very registry, but whether it is still there is not known."""
    checksum = server.registry(pablo=entry())
    server.status((code, "The database is down."), published=checksum)
    with server.played(lambda watcher: watcher.marker().unlink()):
        outcome = server.admin("sync")
    assert outcome == (1, "", "The mail server's map does not follow: The database is down.\n")


def test_a_sync_says_what_stands_in_the_way(server: Server) -> None:
    server.status(("publish-held", "Too much."), published="0")
    with server.played(lambda watcher: watcher.marker().unlink()):
        outcome = server.admin("sync")
    assert outcome == (1, "", "The mail server's map does not follow: Too much.\n")


def test_a_sync_with_publishing_off_does_not_call_it_in_line(server: Server) -> None:
    server.status(enabled=False)
    with server.played(lambda watcher: watcher.marker().unlink()):
        outcome = server.admin("sync")
    assert outcome == (
        1,
        "",
        f"Publishing is switched off (`enabled` is false in {server.paths.config}), so the map was left alone.\n",
    )


def test_a_plain_sync_carries_no_force(server: Server) -> None:
    assert server.admin("sync").status == 75
    (marker,) = server.markers()
    del marker["created_at"]
    assert marker == {"decision": "sync", "operator": "maria"}


def test_force_holds_for_the_registry_as_it_is(server: Server) -> None:
    checksum = server.registry(pablo=entry())
    server.status()
    assert server.admin("sync", "--force", "--no-wait").status == 0
    (marker,) = server.markers()
    assert (marker["force"], marker["registry_sha256"]) == (True, checksum)


@pytest.mark.parametrize("contents", ["{", '{"maria": {"alias": 1}}'])
def test_a_broken_registry_cannot_be_forced(server: Server, contents: str) -> None:
    server.paths.registry.write_text(contents)
    outcome = server.admin("sync", "--force")
    assert outcome.status == 1
    assert outcome.err.startswith(f"The registry {server.paths.registry} cannot be used.")
    assert server.markers() == []


def test_a_force_that_is_out_of_date_tells_so(server: Server) -> None:
    server.status()
    server.registry(pablo=entry())

    def fail(watcher: Player) -> None:
        watcher.fail(watcher.marker(), "The registry changed.")

    with server.played(fail):
        assert server.admin("sync", "--force") == (1, "", "The sync was not done: The registry changed.\n")


@pytest.mark.usefixtures("impatient")
def test_without_an_answer_in_time_the_sync_is_kept_and_problems_are_told(server: Server) -> None:
    server.status(("publish-failed", "The disk is full."))
    outcome = server.admin("sync")
    assert outcome.status == 75
    assert outcome.err.splitlines()[1] == "Warning: The disk is full."


def test_a_dry_run_shows_what_would_change_and_changes_nothing(server: Server) -> None:
    write_map(server, {"ana@runv.club": "a@example.org", "pablo@runv.club": "old@example.org"})
    server.registry(pablo=entry(), m=entry("m", status="revoked"), zoe=entry("zoe", "zoe@example.net"))
    before = server.everything()
    assert server.admin("sync", "--dry-run") == (
        0,
        "-  ana@runv.club    a@example.org\n"
        "~  pablo@runv.club  old@example.org -> p@example.org\n"
        "+  zoe@runv.club    zoe@example.net\n"
        "1 to add, 1 to change, 1 to remove; the map has 2 aliases.\n",
        "",
    )
    assert server.everything() == before


def test_a_dry_run_with_nothing_to_do(server: Server) -> None:
    write_map(server, {"pablo@runv.club": "p@example.org"})
    server.registry(pablo=entry())
    assert server.admin("sync", "--dry-run") == (
        0,
        "Nothing differs: the map and the registry both have 1 alias.\n",
        "",
    )


def test_a_dry_run_meets_the_guard(server: Server) -> None:
    write_map(server, {f"m{number:02}@runv.club": "x@example.org" for number in range(10)})
    server.registry(**aliases(6))
    before = server.everything()
    outcome = server.admin("sync", "--dry-run")
    assert outcome.status == 1
    assert outcome.out.splitlines()[-1] == "0 to add, 0 to change, 4 to remove; the map has 10 aliases."
    assert outcome.err.startswith(
        "This would take away 4 and point elsewhere 0 of 10 published aliases, and no more than 3 of either are "
        "changed unasked."
    )
    assert "`runv-admin-email-alias sync --force`" in outcome.err
    assert server.everything() == before


def test_what_approvals_explain_does_not_count(server: Server) -> None:
    write_map(server, {f"m{number:02}@runv.club": "x@example.org" for number in range(10)})
    server.registry(**aliases(10, "new@example.org"))
    assert server.admin("sync", "--dry-run").status == 1
    for number in range(7):
        server.record("approved", f"m{number:02}", destination="new@example.org")
    assert server.admin("sync", "--dry-run").status == 0


def test_a_dry_run_as_json(server: Server) -> None:
    write_map(server, {f"m{number:02}@runv.club": "x@example.org" for number in range(10)})
    server.registry(**(aliases(6) | {"m00": entry("m00", "y@example.org"), "zoe": entry("zoe")}))
    outcome = server.admin("sync", "--dry-run", "--json")
    assert outcome.status == 1
    assert outcome.json == {
        "published": 10,
        "added": [{"alias": "zoe@runv.club", "destination": "p@example.org"}],
        "changed": [{"alias": "m00@runv.club", "destination": "y@example.org", "present": "x@example.org"}],
        "removed": [{"alias": f"m0{number}@runv.club", "present": "x@example.org"} for number in (6, 7, 8, 9)],
        "held_back": {"published": 10, "removed": 4, "changed": 1, "limit": 3},
        "orphans": [],
        "orphans_held": None,
        "enabled": True,
        "conflicts": [],
    }
    server.registry(**aliases(10))
    found = server.admin("sync", "--dry-run", "--json").json
    assert (found["held_back"], found["removed"]) == (None, [])


def test_a_dry_run_with_publishing_off_says_so(server: Server) -> None:
    server.configure(enabled=False)
    server.registry(pablo=entry())
    outcome = server.admin("sync", "--dry-run")
    assert outcome.status == 0
    assert outcome.out.startswith(
        f"Publishing is switched off (`enabled` is false in {server.paths.config}); this is what switching it on would "
        "do.\n+  pablo@runv.club  p@example.org\n"
    )


def test_a_dry_run_can_go_by_another_config(server: Server) -> None:
    other = server.paths.config.with_name("other.json")
    server.configure(virtual_alias_file=str(server.paths.map) + "-other")
    server.paths.config.rename(other)
    server.configure()
    write_map(server, {"pablo@runv.club": "p@example.org"})
    server.registry(pablo=entry())
    assert server.admin("sync", "--dry-run", "--config", str(other)).out.startswith("+  pablo@runv.club")
    assert server.admin("sync", "--dry-run").out.startswith("Nothing differs")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--json",), "--json goes with --dry-run only."),
        (("--dry-run", "--force"), "--force does not go with --dry-run, which changes nothing."),
        (("--dry-run", "--no-wait"), "--no-wait does not go with --dry-run, which changes nothing."),
    ],
)
def test_options_that_do_not_go_together(server: Server, arguments: tuple[str, ...], sentence: str) -> None:
    outcome = server.admin("sync", *arguments)
    assert outcome.status == 2
    assert outcome.err.splitlines()[-1] == f"Error: {sentence}"
    assert server.markers() == []


def test_what_somebody_wrote_into_the_map_cannot_reach_the_terminal(server: Server) -> None:
    write_map(server, {"x\x1b[2J@runv.club": "a\x9b31m@example.org"})
    outcome = server.admin("sync", "--dry-run")
    assert outcome.out.splitlines()[0] == "-  x\\x1b[2J@runv.club  a\\x9b31m@example.org"


@pytest.mark.needs("postfix-hash")
def test_a_dry_run_asks_the_table_that_postfix_reads_and_not_its_text(server: Server) -> None:
    write_map(server, {"pablo@runv.club": "p@example.org"})
    MailConfig(server.paths.postfix, maps="").run("postmap", f"hash:{server.paths.map}")
    write_map(server, {"pablo@runv.club": "edited@example.org"})
    server.configure(run_postmap=True)
    server.registry(pablo=entry())
    before = server.everything()
    assert server.admin("sync", "--dry-run").out.startswith("Nothing differs")
    assert server.everything() == before


def test_a_dry_run_without_a_map_adds_everything(server: Server) -> None:
    server.registry(pablo=entry())
    assert server.admin("sync", "--dry-run").out == (
        "+  pablo@runv.club  p@example.org\n1 to add, 0 to change, 0 to remove; the map has 0 aliases.\n"
    )


def test_a_dry_run_shows_the_aliases_without_a_member(server: Server) -> None:
    server.registry(pablo=entry(uid=server.uid), maria=entry("maria", uid=server.uid), press=entry("press"))
    write_map(server, {f"{name}@runv.club": "p@example.org" for name in ("maria", "pablo", "press")})
    server.accounts("maria")
    before = server.everything()
    assert server.admin("sync", "--dry-run") == (
        0,
        "-  pablo@runv.club  p@example.org\n0 to add, 0 to change, 1 to remove; the map has 3 aliases.\n"
        "Switched off, since their account or its membership is gone:\npablo@runv.club  There is no account pablo.\n",
        "",
    )
    server.configure(orphans="report")
    outcome = server.admin("sync", "--dry-run")
    assert (outcome.status, outcome.out) == (1, "Nothing differs: the map and the registry both have 3 aliases.\n")
    assert outcome.err.startswith("Active aliases whose account is gone or is no member: pablo. For each, run ")
    server.configure()
    assert server.everything() == before


def test_a_dry_run_that_cannot_ask_for_accounts_says_so(server: Server) -> None:
    server.registry(pablo=entry())
    passwd = server.paths.root / "accounts" / "passwd"
    passwd.write_text("")
    outcome = server.admin("sync", "--dry-run")
    assert outcome == (
        1,
        "+  pablo@runv.club  p@example.org\n1 to add, 0 to change, 0 to remove; the map has 0 aliases.\n",
        f"The account file {passwd} has no entry. Bring it back from the backup; until then no alias is switched off "
        "because its account is gone.\n",
    )
