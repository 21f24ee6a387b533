"""A file that a member drops in the queue."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.json_records import ShapeError, parse_record

SIZE_LIMIT = 16 * 1024
"""Bytes that a queue file may have."""

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.json")
"""What the name of a queue file or a marker looks like."""


class QueueFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a member asks for. Who asks is never read from here: it is the owner of the file."""

    action: Annotated[
        Literal["request", "cancel"],
        Meta(description="`request` asks for the alias or a new destination; `cancel` withdraws. Default: `request`."),
    ] = "request"
    destination: (
        Annotated[
            str,
            Meta(
                description="The outside address that mail goes to. Needed with `request`.", examples=["me@example.org"]
            ),
        ]
        | None
    ) = None
    scope: (
        Annotated[
            Literal["pending", "active"],
            Meta(
                description="With `cancel`: `pending` (default) withdraws the request, `active` switches the alias off."
            ),
        ]
        | None
    ) = None
    request_id: (
        Annotated[
            str, Meta(max_length=128, description="The author's own reference; kept as `client_id` in the record.")
        ]
        | None
    ) = None
    username: Annotated[str, Meta(description="If given, the name of the file's owner.")] | None = None
    alias: Annotated[str, Meta(description="If given, the owner's alias.")] | None = None
    status: Annotated[Literal["pending"], Meta(description="If given, `pending`.")] | None = None
    created_at: Annotated[str, Meta(description="Not used: the file's own time counts.")] | None = None


def parse_queue_file(data: bytes) -> QueueFile:
    """Parse the contents of a queue file.

    Raises:
        schemas.json_records.NotJsonError: not whole JSON; it may still be being written.
        schemas.json_records.ShapeError: whole, and not a request or cancel.
    """
    found = parse_record(data, QueueFile)
    if found.action == "request" and found.destination is None:
        raise ShapeError("A request needs a `destination`.")
    if found.action == "request" and found.scope is not None:
        raise ShapeError("`scope` belongs to a cancel, not to a request.")
    if found.action == "cancel" and found.destination is not None:
        raise ShapeError("A cancel carries no `destination`.")
    return found
