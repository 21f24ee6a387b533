"""`status`: how the watcher is, and what it last did.

`--json` prints one object, `running` (true or false) and `status` (the status file as it is, see
schemas/status.schema.json, or null where the watcher has left none since the machine started).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cli.admin import sentences
from cli.output import SafeText, counted, echo_json, echo_lines, format_message, paint, safe_text, timestamp, wrapped
from schemas.config import Settings
from schemas.program import ExitStatus
from schemas.status import Host, Status, is_running, read_status

_SHOWN = 20


def status(settings: Settings, *, as_json: bool) -> int:
    """Show the watcher's status; raises `StateError` where it is there and cannot be read."""
    found = read_status(settings.config.runtime_dir)
    running = is_running(found)
    if as_json:
        echo_json({"running": running, "status": msgspec.to_builtins(found)})
    else:
        echo_lines(_lines(found, running))
    return ExitStatus.DONE


def _lines(found: Status | None, running: bool) -> Iterator[str]:
    if found is None:
        yield from _line("watcher", sentences.NEVER_RAN, "red")
        return
    if running:
        yield from _line(
            "watcher", format_message(sentences.RUNNING, since=timestamp(found.started_at), pid=found.pid), "green"
        )
    else:
        yield from _line("watcher", format_message(sentences.STOPPED, updated=timestamp(found.updated_at)), "red")
    yield from _line("version", safe_text(found.version))
    yield from _line("backend", safe_text(found.backend))
    yield from _line("publishing", sentences.ON if found.enabled else sentences.OFF)
    yield from _line("published", _published(found))
    yield from _line("pending", format_message(sentences.WAITING, count=found.pending))
    yield from _line("refused", format_message(sentences.REFUSED_SINCE, count=found.refused))
    yield from _line("left_alone", format_message(sentences.LEFT_ALONE, count=found.left_alone))
    yield from _hosts(found)
    yield from _conflicts(found)
    yield from _line("problems", str(len(found.problems) or sentences.NO_PROBLEMS), "red" if found.problems else None)
    for problem in found.problems:
        message = format_message(sentences.PROBLEM, what=safe_text(problem.what), since=timestamp(problem.since))
        yield from wrapped(message, "  - ", "    ")


def _published(found: Status) -> str:
    if found.published is None:
        return sentences.NOTHING_PUBLISHED
    aliases = counted(found.published.aliases, sentences.ALIASES_ONE, sentences.ALIASES_MORE)
    return format_message(sentences.PUBLISHED, aliases=aliases, when=timestamp(found.published.at))


def _hosts(found: Status) -> Iterator[str]:
    if found.hosts:
        yield from _line("hosts", str(len(found.hosts)))
    for host in found.hosts:
        yield from wrapped(format_message(sentences.HOST_TOLD, host=host.host, state=_lag(host)), "  - ", "    ")


def _lag(host: Host) -> SafeText:
    if host.trouble is not None:
        return format_message(sentences.HOST_UNREACHABLE, why=safe_text(host.trouble))
    if host.behind_seconds is None:
        return format_message(sentences.HOST_UNKNOWN)
    if not host.behind_seconds:
        return format_message(sentences.HOST_UP_TO_DATE)
    return format_message(sentences.HOST_LAG, seconds=f"{host.behind_seconds:.3g}")


def _conflicts(found: Status) -> Iterator[str]:
    if found.conflicts:
        yield from _line("conflicts", str(len(found.conflicts)), "red")
    for conflict in found.conflicts[:_SHOWN]:
        message = format_message(
            sentences.CONFLICT_SAME if conflict.same else sentences.CONFLICT,
            alias=conflict.alias,
            destination=conflict.destination,
            held=safe_text(", ".join(conflict.held)),
        )
        yield from wrapped(message, "  - ", "    ")
    if (more := len(found.conflicts) - _SHOWN) > 0:
        yield from wrapped(format_message(sentences.CONFLICTS_MORE, count=more), "  - ", "    ")


def _line(field: str, value: str, colour: str | None = None) -> Iterator[str]:
    room = max(map(len, sentences.STATUS_FIELDS.values())) + 2
    first, *rest = wrapped(value, " " * room) or [""]
    yield sentences.STATUS_FIELDS[field].ljust(room) + paint(first[room:], colour)
    yield from rest
