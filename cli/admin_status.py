"""`status`: how the watcher is, and what it last did.

`--json` prints one object, `running` (true or false) and `status` (the status file as it is, see
schemas/status.schema.json, or null where the watcher has left none since the machine started).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cli import admin_sentences as sentences
from cli import exits
from cli.output import Prose, counted, fill, moment, paint, prose, tell_json, tell_lines, wrapped
from schemas.settings import Settings
from schemas.status import Host, Status, is_running, read_status

_SHOWN = 20


def status(settings: Settings, *, as_json: bool) -> int:
    """Show the watcher's status; raises `StateError` where it is there and cannot be read."""
    found = read_status(settings.config.runtime_dir)
    running = is_running(found)
    if as_json:
        tell_json({"running": running, "status": msgspec.to_builtins(found)})
    else:
        tell_lines(_lines(found, running))
    return exits.DONE


def _lines(found: Status | None, running: bool) -> Iterator[str]:
    if found is None:
        yield from _line("watcher", sentences.NEVER_RAN, "red")
        return
    if running:
        yield from _line("watcher", fill(sentences.RUNNING, since=moment(found.started_at), pid=found.pid), "green")
    else:
        yield from _line("watcher", fill(sentences.STOPPED, updated=moment(found.updated_at)), "red")
    yield from _line("version", prose(found.version))
    yield from _line("backend", prose(found.backend))
    yield from _line("publishing", sentences.ON if found.enabled else sentences.OFF)
    yield from _line("published", _published(found))
    yield from _line("pending", fill(sentences.WAITING, count=found.pending))
    yield from _line("refused", fill(sentences.REFUSED_SINCE, count=found.refused))
    yield from _line("left_alone", fill(sentences.LEFT_ALONE, count=found.left_alone))
    yield from _hosts(found)
    yield from _conflicts(found)
    yield from _line("problems", str(len(found.problems) or sentences.NO_PROBLEMS), "red" if found.problems else None)
    for problem in found.problems:
        told = fill(sentences.PROBLEM, what=prose(problem.what), since=moment(problem.since))
        yield from wrapped(told, "  - ", "    ")


def _published(found: Status) -> str:
    if found.published is None:
        return sentences.NOTHING_PUBLISHED
    aliases = counted(found.published.aliases, sentences.ALIASES_ONE, sentences.ALIASES_MORE)
    return fill(sentences.PUBLISHED, aliases=aliases, when=moment(found.published.at))


def _hosts(found: Status) -> Iterator[str]:
    if found.hosts:
        yield from _line("hosts", str(len(found.hosts)))
    for host in found.hosts:
        yield from wrapped(fill(sentences.HOST_TOLD, host=host.host, state=_lag(host)), "  - ", "    ")


def _lag(host: Host) -> Prose:
    if host.trouble is not None:
        return fill(sentences.HOST_UNREACHABLE, why=prose(host.trouble))
    if host.behind_seconds is None:
        return fill(sentences.HOST_UNKNOWN)
    if not host.behind_seconds:
        return fill(sentences.HOST_UP_TO_DATE)
    return fill(sentences.HOST_LAG, seconds=f"{host.behind_seconds:.3g}")


def _conflicts(found: Status) -> Iterator[str]:
    if found.conflicts:
        yield from _line("conflicts", str(len(found.conflicts)), "red")
    for conflict in found.conflicts[:_SHOWN]:
        told = fill(
            sentences.CONFLICT_SAME if conflict.same else sentences.CONFLICT,
            alias=conflict.alias,
            destination=conflict.destination,
            held=prose(", ".join(conflict.held)),
        )
        yield from wrapped(told, "  - ", "    ")
    if (more := len(found.conflicts) - _SHOWN) > 0:
        yield from wrapped(fill(sentences.CONFLICTS_MORE, count=more), "  - ", "    ")


def _line(field: str, value: str, colour: str | None = None) -> Iterator[str]:
    room = max(map(len, sentences.STATUS_FIELDS.values())) + 2
    first, *rest = wrapped(value, " " * room) or [""]
    yield sentences.STATUS_FIELDS[field].ljust(room) + paint(first[room:], colour)
    yield from rest
