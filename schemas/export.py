"""The JSON Schema of each file on disk, made from the records themselves.

`python -m schemas.export` writes them beside this module; a test says when one is stale.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from schemas.audit_line import AuditLine
from schemas.config import SQL_TYPES, Config
from schemas.decision import Decision, FailedDecision
from schemas.queue_file import QueueFile
from schemas.registry import RegistryFile
from schemas.request import RequestRecord
from schemas.status import Status

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_CANCEL = {"properties": {"action": {"const": "cancel"}}, "required": ["action"]}
_SYNC = {"properties": {"decision": {"const": "sync"}}}
_APPROVE = {"properties": {"decision": {"const": "approve"}}}
_FORCED = {"properties": {"force": {"const": True}}, "required": ["force"]}
_NOT_BLANK: dict[str, object] = {"not": {"enum": ["", None]}}
_IN_DATABASE = {
    "properties": {"backend": {"enum": [f"postfix-{kind}" for kind in sorted(SQL_TYPES)]}},
    "required": ["backend"],
}
_MAP_FILE = {
    "anyOf": [
        {"properties": {"mysql_map_file": {"type": "string"}}, "required": ["mysql_map_file"]},
        *(
            {
                "properties": {
                    name: {"type": "object", "properties": {"map_file": _NOT_BLANK}, "required": ["map_file"]}
                },
                "required": [name],
            }
            for name in ("sql", "mysql")
        ),
    ]
}
_BOTH_BLOCKS = {"properties": {name: {"type": "object"} for name in ("sql", "mysql")}, "required": ["sql", "mysql"]}
_SQL_BLOCK = "Database"
_MARK = {
    "if": {"properties": {"managed_value": _NOT_BLANK}, "required": ["managed_value"]},
    "then": {"required": ["managed_column"]},
}
_TIMESTAMP = "2026-05-19T20:55:18Z"
_REQUEST_ID = "20260519T205518.123456Z-pablo-0123456789"
_DECISION_ID = "20260520T081500.000000Z-pablo-a1b2c3"


def _needs(*names: str) -> dict[str, object]:
    return {"required": list(names), "properties": {name: {"type": "string"} for name in names}}


class _FileKind(NamedTuple):
    record: Any
    title: str
    examples: list[dict[str, object]]
    more: Mapping[str, object] | None = None


_FILE_KINDS: dict[str, _FileKind] = {
    "queue-file": _FileKind(
        QueueFile,
        "A file that a member drops in the queue",
        [
            {"action": "request", "destination": "me@example.org"},
            {"action": "cancel"},
            {"action": "cancel", "scope": "active"},
        ],
        {
            "if": _CANCEL,
            "then": {"properties": {"destination": {"type": "null"}}},
            "else": {"allOf": [_needs("destination"), {"properties": {"scope": {"type": "null"}}}]},
        },
    ),
    "request-record": _FileKind(
        RequestRecord,
        "What became of a queue file",
        [
            {
                "request_id": _REQUEST_ID,
                "username": "pablo",
                "uid": 1001,
                "alias": "pablo@runv.club",
                "destination": "p@example.org",
                "action": "request",
                "status": "rejected",
                "file": "pablo-5f2c.json",
                "client_id": None,
                "created_at": _TIMESTAMP,
                "decided_at": _TIMESTAMP,
                "decided_by": "pmurad-admin",
                "decision_id": _DECISION_ID,
                "reason": "Please give an address that is yours.",
            }
        ],
    ),
    "decision": _FileKind(
        Decision,
        "The marker that an administrator drops",
        [
            {
                "decision": "approve",
                "username": "pablo",
                "request_id": _REQUEST_ID,
                "destination": "p@example.org",
                "operator": "pmurad-admin",
                "created_at": _TIMESTAMP,
            },
            {"decision": "revoke", "username": "pablo", "operator": "pmurad-admin", "reason": "The account is closed."},
            {"decision": "sync", "operator": "root"},
        ],
        {
            "allOf": [
                {"if": {"not": _SYNC}, "then": _needs("username")},
                {"if": _APPROVE, "then": _needs("request_id", "destination")},
                {"if": {"allOf": [_SYNC, _FORCED]}, "then": _needs("registry_sha256")},
            ]
        },
    ),
    "failed-decision": _FileKind(
        FailedDecision,
        "A marker that could not be applied",
        [
            {
                "decision_id": _DECISION_ID,
                "reason": "pablo has no pending request. See `runv-admin-email-alias pending`.",
                "failed_at": _TIMESTAMP,
                "marker": {"decision": "reject", "username": "pablo", "operator": "pmurad-admin"},
            }
        ],
    ),
    "registry": _FileKind(
        RegistryFile,
        "The registry of aliases: entries by username",
        [
            {
                "pablo": {
                    "username": "pablo",
                    "alias": "pablo@runv.club",
                    "destination": "p@example.org",
                    "status": "active",
                    "created_at": _TIMESTAMP,
                    "updated_at": _TIMESTAMP,
                    "approved_by": "pmurad-admin",
                    "uid": 1001,
                    "updated_by": _DECISION_ID,
                }
            }
        ],
    ),
    "config": _FileKind(
        Config,
        "The configuration, /etc/runv-member-mail.json",
        [
            {"enabled": True, "backend": "postfix-hash", "domain": "runv.club", "reserved": ["staff"]},
            {
                "enabled": True,
                "backend": "postfix-mysql",
                "sql": {
                    "map_file": "/etc/postfix/mysql-virtual-alias-maps.cf",
                    "write_map_file": "/etc/runv-email-alias-mysql.cf",
                    "table": "alias",
                    "address_column": "address",
                    "goto_column": "goto",
                    "managed_column": "managed_by",
                    "managed_value": "runv-email-alias",
                    "constants": {"domain": "runv.club", "active": 1},
                },
                "drift_check_interval": 3600,
            },
        ],
        {"if": _IN_DATABASE, "then": _MAP_FILE, "not": _BOTH_BLOCKS},
    ),
    "audit-line": _FileKind(
        AuditLine,
        "A line of the audit log",
        [
            {
                "time": _TIMESTAMP,
                "what": "approved",
                "username": "pablo",
                "uid": 1001,
                "decided_by": "pmurad-admin",
                "registry_sha256_before": "0" * 64,
                "registry_sha256_after": "1" * 64,
                "alias": "pablo@runv.club",
                "destination": "p@example.org",
                "request_id": _REQUEST_ID,
                "decision_id": _DECISION_ID,
            }
        ],
    ),
    "status": _FileKind(
        Status,
        "What the watcher last did",
        [
            {
                "pid": 812,
                "start_time": 4711,
                "version": "0.1.0",
                "started_at": _TIMESTAMP,
                "updated_at": _TIMESTAMP,
                "backend": "postfix-hash",
                "enabled": True,
                "published": {"registry_sha256": "0" * 64, "at": _TIMESTAMP, "aliases": 12},
                "pending": 1,
                "refused": 0,
                "left_alone": 0,
                "problems": [],
            }
        ],
    ),
}


def all_schemas() -> dict[str, bytes]:
    """Every schema by its file name."""
    return {f"{name}.schema.json": _schema(name, kind) for name, kind in _FILE_KINDS.items()}


def _schema(name: str, kind: _FileKind) -> bytes:
    head = {
        "$schema": DIALECT,
        "$id": f"urn:runv-email-alias:{name}",
        "title": kind.title,
        "examples": kind.examples,
    }
    body = {**head, **_normalized(msgspec.json.schema(kind.record)), **(kind.more or {})}
    if (block := body.get("$defs", {}).get(_SQL_BLOCK)) is not None:
        _allow_blanks(block)
    return json.dumps(body, indent=2, ensure_ascii=False).encode() + b"\n"


def _allow_blanks(block: dict[str, Any]) -> None:
    # By `schemas.sql_block.without_blanks`, a key that is blank counts as not given.
    for name, given in block["properties"].items():
        if name == "constants":
            shape = {key: given.pop(key) for key in ("type", "propertyNames", "additionalProperties")}
            given["anyOf"] = [shape, {"type": "null"}]
        if {"type": "string", "pattern": "^[^\\0]*$"} not in given["anyOf"]:
            given["anyOf"].insert(-1, {"const": ""})
    block |= _MARK


def _normalized(part: Any) -> Any:
    # Versions of msgspec disagree on where `null` stands among alternatives; here it is always the last.
    if isinstance(part, list):
        return [_normalized(each) for each in part]
    if isinstance(part, str):
        # Of a docstring Python keeps the indentation before 3.13, and not from then on.
        return inspect.cleandoc(part)
    if not isinstance(part, dict):
        return part
    found = {key: _normalized(value) for key, value in part.items()}
    if "anyOf" in found:
        found["anyOf"] = sorted(found["anyOf"], key=lambda each: each == {"type": "null"})
    return found


def main() -> None:
    """Write every schema beside this module."""
    for name, data in all_schemas().items():
        Path(__file__).with_name(name).write_bytes(data)


if __name__ == "__main__":
    main()
