"""One line of the audit log: what happened to whom, who decided it, and the registry before and after."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.json_records import parse_record
from schemas.request import Timestamp

LINE_LIMIT = 16 * 1024
"""Bytes that a line may have; those we write are far shorter."""

TEXT_LIMIT = 400
"""Characters of one text that are kept: a refused file may hold thousands."""

_ALWAYS = frozenset(
    {"time", "what", "username", "uid", "decided_by", "registry_sha256_before", "registry_sha256_after"}
)

What = Literal["accepted", "refused", "cancelled", "approved", "rejected", "revoked", "orphaned", "failed", "published"]

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}(?!\\n)$")]


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened.

    The same thing may stand there twice after a kill or a power cut, with the same `what` and `key`; the first counts.
    """

    time: Timestamp
    what: Annotated[
        What,
        Meta(
            description=(
                "`accepted`: a request is pending. `refused`: a queue entry was not taken. `cancelled`: its member "
                "withdrew a request or switched the alias off. `approved`, `rejected`, `revoked`: an administrator's "
                "decision was applied. `orphaned`: the watcher switched an alias off whose account or membership is "
                "gone. `failed`: a decision could not be applied. `published`: the map answers for another registry, "
                "or was made anew."
            )
        ),
    ]
    username: Annotated[str, Meta(description="Whom it is about.")] | None = None
    uid: Annotated[int, Meta(ge=0)] | None = None
    decided_by: Annotated[str, Meta(description="An administrator, the member, or `watcher`.")] | None = None
    registry_sha256_before: (
        Annotated[
            Sha256,
            Meta(
                description="The registry before; with `published`, the one that the map answered for. Null where that "
                "is not known: after a kill, or of a registry that cannot be used."
            ),
        ]
        | None
    ) = None
    registry_sha256_after: Annotated[Sha256, Meta(description="The registry after.")] | None = None
    alias: str | None = None
    destination: str | None = None
    request_id: Annotated[str, Meta(description="The request that was accepted, refused or decided on.")] | None = None
    decision_id: Annotated[str, Meta(description="The decision, or the member's cancel, that did it.")] | None = None
    reason: str | None = None
    file: Annotated[str, Meta(description="The queue file's name, escaped.")] | None = None
    count: (
        Annotated[int, Meta(ge=1, description="How many queue entries the line stands for, if not for one.")] | None
    ) = None
    aliases: Annotated[int, Meta(ge=0, description="How many aliases the map holds.")] | None = None
    added: int | None = None
    changed: int | None = None
    removed: int | None = None

    @property
    def key(self) -> tuple[str, str] | None:
        """What tells a repeat from another thing; `None` where there is nothing to tell it by."""
        identifier = self.decision_id or self.request_id
        return (self.what, identifier) if identifier else None


def to_line(line: AuditLine) -> bytes:
    """Write *line* in ASCII, so that a file shown raw does nothing to a terminal; long texts are cut short."""
    return json.dumps({name: _shortened(value) for name, value in to_plain(line).items()}).encode("ascii") + b"\n"


def to_plain(line: AuditLine) -> dict[str, object]:
    """Give what *line* holds, as it is written down: what does not belong to its kind is left out."""
    return {name: value for name, value in msgspec.to_builtins(line).items() if value is not None or name in _ALWAYS}


def _shortened(value: object) -> object:
    if not isinstance(value, str):
        return value
    # A name that is not UTF-8 has lone surrogates, which no JSON holds: the line could not be read again.
    text = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"{text[:TEXT_LIMIT]}..." if len(text) > TEXT_LIMIT else text


def parse_line(data: bytes) -> AuditLine:
    """Parse one line, with the exceptions of `schemas.json_records.parse_object`."""
    return parse_record(data, AuditLine)
