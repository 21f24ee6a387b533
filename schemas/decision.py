"""What an administrator decided: the marker, and the record of one that could not be applied."""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta

from schemas.json_records import ShapeError, parse_record
from schemas.request import ReasonCode, Timestamp
from schemas.times import stamp

SIZE_LIMIT = 16 * 1024


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One decision of an administrator, bound to what they saw."""

    decision: Literal["approve", "reject", "revoke", "sync"]
    username: Annotated[str, Meta(description="Whom it is about; not with `sync`.", examples=["pablo"])] | None = None
    request_id: Annotated[str, Meta(description="The request that was seen. An approval needs it.")] | None = None
    destination: (
        Annotated[
            str, Meta(description="The destination that was seen. An approval needs it.", examples=["p@example.org"])
        ]
        | None
    ) = None
    operator: Annotated[str, Meta(description="Who decided.", examples=["pmurad-admin"])] = "root"
    reason: Annotated[str, Meta(max_length=1000, description="For the member to read.")] | None = None
    created_at: Timestamp | None = None
    force: Annotated[
        bool, Meta(description="With `sync`: publish this registry though it changes more than the guard allows.")
    ] = False
    registry_sha256: (
        Annotated[
            str, Meta(pattern="^[0-9a-f]{64}(?!\\n)$", description="With `force`: the one registry that it holds for.")
        ]
        | None
    ) = None


class FailedDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A marker that could not be applied, as kept in `failed/`."""

    decision_id: Annotated[str, Meta(description="The marker's name without `.json`, escaped.")]
    reason: Annotated[str, Meta(description="Why it could not be applied.")]
    reason_code: ReasonCode = UNSET
    failed_at: Timestamp
    marker: Annotated[
        Decision | str,
        Meta(description="The decision; or the start of the file's contents, escaped, where it is none."),
    ]


def parse_decision(data: bytes) -> Decision:
    """Parse a marker.

    Raises:
        schemas.json_records.NotJsonError: not whole JSON.
        schemas.json_records.ShapeError: whole, and not a decision.
    """
    found = parse_record(data, Decision)
    if found.decision == "sync":
        if found.force and found.registry_sha256 is None:
            raise ShapeError("A forced `sync` needs the `registry_sha256` that it holds for.")
    elif found.username is None:
        raise ShapeError(f"The decision `{found.decision}` needs a `username`.")
    if found.decision == "approve" and (found.request_id is None or found.destination is None):
        raise ShapeError("An approval needs the `request_id` and the `destination` that were seen.")
    return found


def marker_name(decision: Decision) -> str:
    """A fresh name for the marker of *decision*: the time, whom it is about, and a random end."""
    return f"{stamp(time.time_ns())}-{decision.username or 'sync'}-{secrets.token_hex(3)}.json"
