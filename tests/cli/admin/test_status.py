import msgspec

from schemas.status import Conflict, Host, read_status
from tests.cli.conftest import Server


def test_a_watcher_that_never_ran(server: Server) -> None:
    sentence = "Watcher     not running; it has left no status since the machine started\n"
    assert server.admin("status") == (0, sentence, "")
    assert server.admin("status", "--json").json == {"running": False, "status": None}


def test_all_is_well(server: Server) -> None:
    import os

    server.status(published="0" * 64, aliases=12, pending=2, refused=3)
    assert server.admin("status") == (
        0,
        f"Watcher     running since 2026-05-19 20:55 UTC, process {os.getpid()}\n"
        "Version     0.1.0\n"
        "Map type    postfix-hash\n"
        "Publishing  on\n"
        "Published   12 aliases, on 2026-06-01 08:00 UTC\n"
        "Waiting     2 to decide on\n"
        "Refused     3 since the watcher started\n"
        "Left alone  0 in the queue that are no files\n"
        "Problems    none\n",
        "",
    )


def test_a_watcher_that_has_ended_and_publishing_off(server: Server) -> None:
    server.status(running=False, enabled=False)
    lines = server.admin("status").out.splitlines()
    assert lines[0] == "Watcher     not running; it last reported on 2026-06-01 08:00 UTC"
    assert lines[3:5] == ["Publishing  off (`enabled` is false)", "Published   nothing"]


def test_problems_are_wrapped_to_the_terminal(server: Server) -> None:
    server.status(("publish-failed", "word " * 40 + "\x1b end."), ("map-not-used", "Short."))
    lines = server.admin("status").out.splitlines()
    start = lines.index("Problems    2")
    assert max(map(len, lines)) <= 80
    assert lines[start + 1].startswith("  - word word")
    assert lines[start + 2].startswith("    word")
    assert "\\x1b end. (since 2026-06-01 08:00 UTC)" in " ".join(line.strip() for line in lines)
    assert lines[-1] == "  - Short. (since 2026-06-01 08:00 UTC)"


def test_conflicts_are_told_with_both_destinations_and_replicas_with_their_lag(server: Server) -> None:
    conflicts = [Conflict(f"m{n:02}@runv.club", "p@example.org", ["x@example.org", "\x1b[2J"]) for n in range(23)]
    hosts = [
        Host("inet:10.0.0.2:5432", 0.0, None),
        Host("inet:10.0.0.3", 12.3456, None),
        Host("unix:/run/mysqld/mysqld.sock", None, "No route."),
        Host("inet:10.0.0.5", None, None),
    ]
    server.status(published="0" * 64, conflicts=conflicts, hosts=hosts)
    lines = server.admin("status").out.splitlines()
    start = lines.index("Replicas    4")
    assert lines[start + 1 : start + 6] == [
        "  - inet:10.0.0.2:5432: up to date",
        "  - inet:10.0.0.3: 12.3 s behind the last change",
        "  - unix:/run/mysqld/mysqld.sock: could not be asked: No route.",
        "  - inet:10.0.0.5: not asked yet",
        "Conflicts   23",
    ]
    text = " ".join(line.strip() for line in lines[start + 6 :])
    found = (
        "- m00@runv.club should go to p@example.org, and a row of somebody else sends it to x@example.org, \\x1b[2J - "
    )
    assert text.startswith(found)
    assert text.endswith("- and 3 more; --json has them all Problems    none")


def test_json_holds_the_status_file(server: Server) -> None:
    server.status(("publish-failed", "\x9b"), published="0" * 64)
    outcome = server.admin("status", "--json")
    status = read_status(str(server.paths.runtime))
    assert outcome.json == {"running": True, "status": msgspec.to_builtins(status)}
    assert outcome.out.isascii()


def test_a_status_file_that_cannot_be_read_is_told(server: Server) -> None:
    server.paths.status.write_text("{")
    outcome = server.admin("status")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith(f"The status file {server.paths.status} cannot be read:")
