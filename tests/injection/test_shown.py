"""No control character gets through to a log line, to a file of ours shown raw, or to a terminal.

Members, the names of accounts, markers, a registry, a configuration and a map edited by hand said whatever they could.
"""

import json
import re
from collections import Counter

from schemas.audit_line import parse_line
from schemas.text import printable

from .aftermath import ACCOUNTS, COUNT, DECIDED, Aftermath
from .hostile import FORGED, lines_of, shown_lines

_COLOURS = re.compile(rb"\x1b\[(?:0|31|32|33)m")


def test_one_event_is_one_line_of_the_log_and_begins_with_its_own_priority(aftermath: Aftermath) -> None:
    lines = lines_of(aftermath.log())
    assert len(lines) > COUNT
    for line in lines:
        assert re.match(r"<[2-6]>[A-Z]", line), line
        assert len(line) < 8000
    # Each of these was told of, so there was something to be taken for a line of its own.
    found = Counter(re.sub(r"[^A-Za-z].*", "", line[3:]) for line in lines)
    assert found["Refused"] > COUNT
    assert found["Decision"] > 2 * DECIDED
    assert any(FORGED in line for line in lines)


def test_nobody_brought_the_watcher_to_an_end(aftermath: Aftermath) -> None:
    assert aftermath.exit_status == 0
    assert aftermath.site.watchers == [aftermath.watcher]


def test_what_the_service_manager_is_told_is_one_line_each(aftermath: Aftermath) -> None:
    for line in aftermath.watcher.notify.lines:
        assert line.isprintable()
        assert re.match(
            r"STATUS=[0-9]|STATUS=publishing|READY=1|RELOADING=1|MONOTONIC_USEC=|STOPPING=1|WATCHDOG=1", line
        )


def test_the_files_of_the_watcher_can_be_shown_raw(aftermath: Aftermath) -> None:
    files = aftermath.files()
    names = {path.parent.name for path in files}
    assert {"pending", "refused", "approved", "rejected", "failed"} <= names
    for path in files:
        lines_of(path.read_bytes())


def test_every_member_with_a_hostile_name_or_file_is_told_of(aftermath: Aftermath) -> None:
    refused = {record["username"] for record in aftermath.site.records("refused")}
    assert {name.encode("utf-8", "backslashreplace").decode() for name in ACCOUNTS} <= refused
    pending = {record["username"] for record in aftermath.site.records("pending") if record["username"][0] == "w"}
    assert set(aftermath.writing) == {name for name in refused | pending if name in aftermath.writing}


def test_the_audit_log_tells_of_them_too_and_every_line_of_it_can_be_read(aftermath: Aftermath) -> None:
    data = (aftermath.site.paths.state / "email-alias-audit.jsonl").read_bytes()
    lines = [parse_line(line.encode()) for line in lines_of(data)]
    assert {printable(name) for name in ACCOUNTS} <= {line.username for line in lines if line.what == "refused"}
    assert data.isascii()


def test_the_commands_print_lines_that_are_only_text(aftermath: Aftermath) -> None:
    for output in aftermath.text:
        lines_of(output)
    assert any(b"FORGED" in output for output in aftermath.text)


def test_each_problem_is_told_in_one_line_that_can_be_shown(aftermath: Aftermath) -> None:
    assert {"config-invalid", "record-unreadable", "registry-broken"} <= aftermath.problems.keys()
    assert all(what.isprintable() for what in aftermath.problems.values())


def test_a_terminal_gets_our_colours_and_no_other_sequence(aftermath: Aftermath) -> None:
    assert any(_COLOURS.search(output) for output in aftermath.terminal)
    for output in aftermath.terminal:
        # A cell that is too wide for its column goes on below itself there, wherever that breaks it.
        shown_lines(_COLOURS.sub(b"", output))


def test_json_is_ascii_and_holds_what_was_there(aftermath: Aftermath) -> None:
    said = ""
    for output in aftermath.json:
        if output:
            assert output.isascii()
            lines_of(output)
            said += json.dumps(json.loads(output), ensure_ascii=False)
    assert FORGED in said
    assert "\u202e" in said
