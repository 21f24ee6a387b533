"""`status`: the watcher's status file, as lines or JSON.

`--json` prints one object, `running` (true or false) and `status` (the status file as it is, see
schemas/status.schema.json, or null where the watcher has left none since the machine started).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cli.messages import _, ngettext
from cli.output import SafeText, echo_json, echo_lines, format_message, paint, safe_text, timestamp, wrapped
from schemas.config import Settings
from schemas.program import ExitStatus
from schemas.status import Host, Status, is_running, read_status

_LABELS = {
    "watcher": _("Watcher"),
    "version": _("Version"),
    "backend": _("Map type"),
    "publishing": _("Publishing"),
    "published": _("Published"),
    "pending": _("Waiting"),
    "refused": _("Refused"),
    "left_alone": _("Left alone"),
    "hosts": _("Replicas"),
    "conflicts": _("Conflicts"),
    "problems": _("Problems"),
}

_CONFLICTS_SHOWN = 20


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
        yield from _line("watcher", _("not running; it has left no status since the machine started"), "red")
        return
    if running:
        yield from _line(
            "watcher",
            format_message(_("running since {since}, process {pid}"), since=timestamp(found.started_at), pid=found.pid),
            "green",
        )
    else:
        yield from _line(
            "watcher",
            format_message(_("not running; it last reported on {updated}"), updated=timestamp(found.updated_at)),
            "red",
        )
    yield from _line("version", safe_text(found.version))
    yield from _line("backend", safe_text(found.backend))
    yield from _line("publishing", _("on") if found.enabled else _("off (`enabled` is false)"))
    yield from _line("published", _published(found))
    yield from _line("pending", format_message(_("{count} to decide on"), count=found.pending))
    yield from _line("refused", format_message(_("{count} since the watcher started"), count=found.refused))
    yield from _line("left_alone", format_message(_("{count} in the queue that are no files"), count=found.left_alone))
    yield from _hosts(found)
    yield from _conflicts(found)
    yield from _line("problems", str(len(found.problems) or _("none")), "red" if found.problems else None)
    for problem in found.problems:
        message = format_message(
            _("{problem} (since {since})"), problem=safe_text(problem.what), since=timestamp(problem.since)
        )
        yield from wrapped(message, "  - ", "    ")


def _published(found: Status) -> str:
    if found.published is None:
        return _("nothing")
    aliases = format_message(
        ngettext("1 alias", "{count} aliases", found.published.aliases), count=found.published.aliases
    )
    return format_message(_("{aliases}, on {when}"), aliases=aliases, when=timestamp(found.published.at))


def _hosts(found: Status) -> Iterator[str]:
    if found.hosts:
        yield from _line("hosts", str(len(found.hosts)))
    for host in found.hosts:
        yield from wrapped(format_message(_("{host}: {state}"), host=host.host, state=_lag(host)), "  - ", "    ")


def _lag(host: Host) -> SafeText:
    if host.trouble is not None:
        return format_message(_("could not be asked: {why}"), why=safe_text(host.trouble))
    if host.behind_seconds is None:
        return format_message(_("not asked yet"))
    if not host.behind_seconds:
        return format_message(_("up to date"))
    return format_message(_("{seconds} s behind the last change"), seconds=f"{host.behind_seconds:.3g}")


def _conflicts(found: Status) -> Iterator[str]:
    if found.conflicts:
        yield from _line("conflicts", str(len(found.conflicts)), "red")
    for conflict in found.conflicts[:_CONFLICTS_SHOWN]:
        message = format_message(
            _("{alias} goes to {destination}, but by a row of somebody else, which would stay when it is revoked")
            if conflict.same
            else _("{alias} should go to {destination}, and a row of somebody else sends it to {held}"),
            alias=conflict.alias,
            destination=conflict.destination,
            held=safe_text(", ".join(conflict.held)),
        )
        yield from wrapped(message, "  - ", "    ")
    if (more := len(found.conflicts) - _CONFLICTS_SHOWN) > 0:
        yield from wrapped(format_message(_("and {count} more; --json has them all"), count=more), "  - ", "    ")


def _line(field: str, value: str, colour: str | None = None) -> Iterator[str]:
    column = max(map(len, _LABELS.values())) + 2
    first, *rest = wrapped(value, " " * column) or [""]
    yield _LABELS[field].ljust(column) + paint(first[column:], colour)
    yield from rest
