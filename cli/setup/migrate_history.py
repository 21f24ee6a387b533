"""What the earlier tool kept of decided requests, made into request records.

Such a record grants nothing: it tells a member what became of a request, and the guard against mass changes that a new
destination was approved. So only what root alone can have written is believed. The rest is kept where root can look.
"""

from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime
from typing import Literal

from cli.server import paths
from schemas.addresses import ADDRESS_BYTES
from schemas.config import Settings
from schemas.errors import ExpectedError
from schemas.fs.directory import Directory
from schemas.fs.pinned import FoundFile
from schemas.json_records import NotJsonError, ShapeError, parse_object
from schemas.names import USERNAME, alias_of
from schemas.request import RequestId, RequestRecord, has_record, request_id
from schemas.text import printable
from schemas.times import iso, stamp

Decided = Literal["approved", "rejected", "cancelled"]

SIZE_LIMIT = 64 * 1024
_SECOND_NS = 1_000_000_000
_TEXT_LIMIT = 1000
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

_TIME_KEYS = ("decided_at", "{folder}_at", "updated_at")
_PERSON_KEYS = ("decided_by", "{folder}_by", "operator")
_REASON_KEYS = ("reason", "rejection_reason", "reject_reason")


def convert(settings: Settings, decided: Decided, folder: Directory, name: str) -> RequestRecord | None:
    """Make the record of the entry *name* of the old directory *decided*; `None` where it cannot be believed or read.

    Raises:
        OSError: it cannot be read, which says nothing against it.
    """
    try:
        with folder.pin(name) as pinned:
            # What is mounted over it can say anything, such as that it is root's.
            if pinned.mount != folder.mount:
                return None
            found = pinned.read(SIZE_LIMIT)
        values = parse_object(found.data) if _is_root_only(found.status) else None
    except (ExpectedError, NotJsonError, ShapeError):
        return None
    return _record(settings, decided, name, found, values) if values is not None else None


def _is_root_only(status: os.stat_result) -> bool:
    return status.st_uid == paths.ROOT and not status.st_mode & 0o022


def _record(
    settings: Settings, decided: Decided, name: str, found: FoundFile, values: dict[str, object]
) -> RequestRecord | None:
    username, alias, destination = values.get("username"), values.get("alias"), values.get("destination")
    # A member can have moved it here from another of the old directories.
    if values.get("status", decided) != decided:
        return None
    if not isinstance(username, str) or not USERNAME.fullmatch(username):
        return None
    own_alias = alias_of(username, settings.domain)
    if not (alias is None or (isinstance(alias, str) and alias.lower() == own_alias)) or not _is_address(destination):
        return None
    uid = _uid_of(username)
    decided_at = _timestamp(values, _TIME_KEYS, decided)
    identifier = _moved_back(request_id(username, name, found.status, found.born_ns), decided_at)
    if uid is None or not has_record(identifier):
        return None
    return RequestRecord(
        request_id=str(identifier),
        username=username,
        uid=uid,
        alias=own_alias,
        destination=destination if isinstance(destination, str) else None,
        status=decided,
        file=printable(name),
        client_id=_text(values, ("request_id",), decided),
        created_at=_timestamp(values, ("created_at",), decided) or iso(found.status.st_mtime_ns),
        decided_at=decided_at or iso(found.status.st_mtime_ns),
        decided_by=_text(values, _PERSON_KEYS, decided) or (username if decided == "cancelled" else None),
        reason=_text(values, _REASON_KEYS, decided),
    )


def _is_address(destination: object) -> bool:
    if destination is None:
        return True
    return isinstance(destination, str) and destination.isprintable() and len(destination) <= ADDRESS_BYTES


def _uid_of(username: str) -> int | None:
    try:
        return pwd.getpwnam(username).pw_uid
    except KeyError:
        return None


def _moved_back(identifier: RequestId, decided_at: str | None) -> RequestId:
    """Give *identifier* with its time no later than the second *decided_at*.

    A file that was copied from elsewhere has the time of the copy, and a request that waits must not look older.
    """
    if decided_at is None:
        return identifier
    return identifier._replace(stamp=min(identifier.stamp, stamp(nanoseconds(decided_at) + _SECOND_NS - 1)))


def nanoseconds(text: str) -> int:
    """The timestamp *text*, as files hold it, in nanoseconds since the epoch. Raises ValueError where it is none."""
    return int(datetime.strptime(text, _FORMAT).replace(tzinfo=UTC).timestamp()) * _SECOND_NS


def _text(values: dict[str, object], keys: tuple[str, ...], decided: Decided) -> str | None:
    for key in keys:
        value = values.get(key.format(folder=decided))
        if isinstance(value, str) and value:
            return value[:_TEXT_LIMIT]
    return None


def _timestamp(values: dict[str, object], keys: tuple[str, ...], decided: Decided) -> str | None:
    text = _text(values, keys, decided)
    try:
        # strptime takes single digits too, which sort wrongly.
        return text if text and iso(nanoseconds(text)) == text else None
    except ValueError:
        return None
