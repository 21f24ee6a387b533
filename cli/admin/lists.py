"""`pending` and `list`: the requests that wait, and the aliases in the registry.

`pending --json` prints a list, oldest first, of objects with these keys, always all of them; a timestamp is
`YYYY-MM-DDTHH:MM:SSZ`:

    username, uid, alias, request_id
    destination           what is asked for
    current_destination   where mail goes now, or null: then it is not a change
    created_at            when it was asked

`list --json` prints a list, active aliases first, each group by name, of objects with these keys; all but the first
three may be null:

    username, alias, status
    destination
    created_at            when the alias was first approved
    updated_at            when its destination or status last changed
    approved_by
    uid                   the account that it was approved for
    reason                why it was revoked, or switched off by the watcher (status `orphaned`)
"""

from __future__ import annotations

from cli.admin.records import open_records, reading_records
from cli.messages import _
from cli.output import (
    NOTHING,
    SafeText,
    echo,
    echo_error,
    echo_json,
    echo_lines,
    format_message,
    safe_text,
    short_date,
    short_timestamp,
    table,
)
from cli.server.status import RegistrySnapshot, read_registry
from schemas.config import Settings
from schemas.errors import RegistryError, StateError
from schemas.program import ExitStatus
from schemas.registry import ACTIVE, Entry
from schemas.request import RequestRecord

_COLOURS = {ACTIVE: "green", "revoked": "red", "orphaned": "red"}


def pending(settings: Settings, *, as_json: bool) -> int:
    """List the waiting requests; 1 where something could not be read."""
    records, problems = _waiting(settings)
    registry: RegistrySnapshot | None = None
    try:
        registry = read_registry(settings) if records else None
    except RegistryError as error:
        problems.append(safe_text(str(error)))
    present: dict[str, str | None] = {}
    for record in records:
        try:
            present[record.request_id] = _present(registry, record)
        except RegistryError as error:
            problems.append(safe_text(str(error)))
    if as_json:
        echo_json([_request_object(record, present.get(record.request_id)) for record in records])
    elif records:
        rows = [
            [
                record.username,
                record.destination or NOTHING,
                present.get(record.request_id) or NOTHING,
                short_timestamp(record.created_at),
            ]
            for record in records
        ]
        echo_lines(table((_("MEMBER"), _("DESTINATION"), _("INSTEAD OF"), _("SINCE (UTC)")), rows))
    elif not problems:
        echo(_("No request is waiting."))
    for problem in dict.fromkeys(problems):
        echo_error(problem)
    return ExitStatus.FAILED if problems else ExitStatus.DONE


def _waiting(settings: Settings) -> tuple[list[RequestRecord], list[SafeText]]:
    found: list[RequestRecord] = []
    problems: list[SafeText] = []
    with open_records(settings) as folders, reading_records(settings):
        for identifier in folders.ids("pending"):
            try:
                record = folders.load("pending", identifier)
            except StateError as error:
                problems.append(format_message(_("{problem} It is left out here."), problem=safe_text(str(error))))
                continue
            if record is not None:
                found.append(record)
    return found, problems


def _present(registry: RegistrySnapshot | None, record: RequestRecord) -> str | None:
    entry = registry.entry(record.username) if registry else None
    return entry.destination if entry and entry.active and entry.uid in {None, record.uid} else None


def _request_object(record: RequestRecord, present: str | None) -> dict[str, object]:
    return {
        "username": record.username,
        "uid": record.uid,
        "alias": record.alias,
        "request_id": record.request_id,
        "destination": record.destination,
        "current_destination": present,
        "created_at": record.created_at,
    }


def list_aliases(settings: Settings, *, as_json: bool) -> int:
    """List the registry's entries, the active ones first."""
    entries = sorted(read_registry(settings).whole().entries.items(), key=lambda item: (not item[1].active, item[0]))
    if as_json:
        echo_json([_entry_object(username, entry) for username, entry in entries])
    elif entries:
        rows = [
            [
                entry.alias,
                entry.destination or NOTHING,
                entry.status,
                short_date(entry.updated_at or entry.created_at),
                entry.approved_by or NOTHING,
            ]
            for _key, entry in entries
        ]
        headings = (_("ALIAS"), _("DESTINATION"), _("STATUS"), _("SINCE"), _("BY"))
        echo_lines(table(headings, rows, _COLOURS))
    else:
        echo(_("The registry holds no alias."))
    return ExitStatus.DONE


def _entry_object(username: str, entry: Entry) -> dict[str, object]:
    return {
        "username": username,
        "alias": entry.alias,
        "status": entry.status,
        "destination": entry.destination,
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
        "approved_by": entry.approved_by,
        "uid": entry.uid,
        "reason": entry.reason,
    }
