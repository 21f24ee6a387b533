"""The published JSON Schemas say what the programs accept."""

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

import schemas
from schemas.audit_line import parse_line
from schemas.config import parse_config
from schemas.decision import FailedDecision, parse_decision
from schemas.errors import ConfigError, RegistryError
from schemas.export import all_schemas
from schemas.json_records import NotJsonError, ShapeError, parse_record
from schemas.queue_file import parse_queue_file
from schemas.registry import parse_registry
from schemas.request import RequestRecord
from schemas.sql_block import Database
from schemas.status import Status

FOLDER = Path(schemas.__file__).parent
NAMES = sorted(all_schemas())

PARSERS: dict[str, Any] = {
    "audit-line.schema.json": parse_line,
    "config.schema.json": lambda data: parse_config(data, "config"),
    "decision.schema.json": parse_decision,
    "failed-decision.schema.json": lambda data: parse_record(data, FailedDecision),
    "queue-file.schema.json": parse_queue_file,
    "registry.schema.json": lambda data: parse_registry(data, "runv.club", "registry"),
    "request-record.schema.json": lambda data: parse_record(data, RequestRecord),
    "status.schema.json": lambda data: parse_record(data, Status),
}


def schema(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / name).read_bytes()))


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(name))


def accepts(name: str, value: object) -> bool:
    """Whether the program takes *value*; the schema must say the same."""
    try:
        PARSERS[name](json.dumps(value).encode())
    except (NotJsonError, ShapeError, ConfigError, RegistryError):
        return False
    return True


def test_every_kind_of_file_has_a_schema_and_every_schema_a_kind() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.schema.json")) == NAMES == sorted(PARSERS)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_not_stale(name: str) -> None:
    assert (FOLDER / name).read_bytes() == all_schemas()[name], "run `make schemas`"


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one_of_draft_2020_12_with_words_for_people(name: str) -> None:
    found = schema(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["$id"] == f"urn:runv-email-alias:{name.removesuffix('.schema.json')}"
    assert found["title"]
    assert found["examples"]


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_are_valid_and_understood(name: str) -> None:
    for example in schema(name)["examples"]:
        validator(name).validate(example)
        assert accepts(name, example)


SEEN = {"request_id": "x", "destination": "p@example.org"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("queue-file", {}),
        ("queue-file", {"destination": None}),
        ("queue-file", {"action": "approve", "destination": "p@example.org"}),
        ("queue-file", {"destination": "p@example.org", "scope": "active"}),
        ("queue-file", {"action": "cancel", "destination": "p@example.org"}),
        ("queue-file", {"action": "cancel", "scope": "all"}),
        ("queue-file", {"destination": "p@example.org", "uid": 0}),
        ("queue-file", []),
        ("decision", {"decision": "delete"}),
        ("decision", {"decision": "revoke", "username": "pablo", "extra": 1}),
        ("decision", {"decision": "sync", "registry_sha256": "abc"}),
        ("decision", {"decision": "sync", "force": True}),
        ("decision", {"decision": "sync", "force": True, "registry_sha256": None}),
        ("decision", {"decision": "revoke"}),
        ("decision", {"decision": "reject", "username": None}),
        ("decision", {"decision": "approve", "username": "pablo"}),
        ("decision", {"decision": "approve", "username": "pablo", "request_id": "x"}),
        ("decision", {"decision": "approve", "username": "pablo", "request_id": "x", "destination": None}),
        ("config", {"backend": "hash"}),
        ("config", {"domain": "Runv"}),
        ("config", {"domain": "runv.club\n"}),
        ("config", {"file_mode": "o644"}),
        ("config", {"state_dir": "here"}),
        ("config", {"postmap_command": []}),
        ("config", {"unknown": 1}),
        ("config", {"sql": {"unknown": 1}}),
        ("config", {"sql": {"map_file": "here"}}),
        ("config", {"mysql": {"table": "a.b.c"}}),
        ("config", {"sql": {"goto_column": "a`b"}}),
        ("config", {"sql": {"constants": {"a.b": 1}}}),
        ("config", {"sql": {"constants": {"a": None}}}),
        ("config", {"sql": {"managed_column": "a", "managed_value": "x\0"}}),
        ("config", {"sql": {"managed_value": "x"}}),
        ("config", {"sql": {}, "mysql": {}}),
        ("config", {"backend": "postfix-mysql"}),
        ("config", {"backend": "postfix-sqlite", "sql": {"map_file": "", "table": "alias"}}),
        ("config", {"drift_check_interval": 1.5}),
        ("status", {}),
        ("request-record", {"status": "lost"}),
        ("registry", {"pablo": {"status": "active"}}),
        ("registry", {"pablo": {"alias": "pablo@runv.club", "status": 1}}),
        ("registry", []),
    ],
)
def test_what_the_programs_refuse_the_schema_refuses(name: str, value: object) -> None:
    name += ".schema.json"
    assert not accepts(name, value)
    assert not validator(name).is_valid(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("queue-file", {"destination": "p@example.org"}),
        ("queue-file", {"action": "cancel", "scope": None, "destination": None}),
        ("queue-file", {"destination": "p@example.org", "scope": None, "request_id": "mine", "status": "pending"}),
        ("decision", {"decision": "approve", "username": "pablo", **SEEN}),
        ("decision", {"decision": "sync", "force": True, "registry_sha256": "0" * 64}),
        ("decision", {"decision": "sync", "username": None, "force": False}),
        ("decision", {"decision": "reject", "username": "pablo", "request_id": None}),
        ("config", {}),
        ("config", {"sql": None, "mysql": {"constants": {"a": "x", "b": 1, "c": 0.5, "d": True}}}),
        ("config", {"backend": "postfix-mysql", "mysql_map_file": "/etc/postfix/x.cf", "sql": {"table": "mail.alias"}}),
        ("config", {"backend": "postfix-pgsql", "sql": {"map_file": "/etc/postfix/x.cf", "managed_column": "a"}}),
        ("config", {"mysql": dict.fromkeys(Database.__struct_fields__, "")}),
        ("config", {"mysql": dict.fromkeys(Database.__struct_fields__)}),
        ("config", {"reload_postfix": True, "auto_sync_on_approve": False, "file_mode": "644"}),
        ("registry", {}),
        ("registry", {"pablo": {"alias": "x", "status": "revoked", "strange": [1]}}),
    ],
)
def test_what_the_programs_take_the_schema_takes(name: str, value: object) -> None:
    name += ".schema.json"
    assert accepts(name, value)
    validator(name).validate(value)
