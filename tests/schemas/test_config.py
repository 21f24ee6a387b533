"""The configuration: the existing server's is understood, and a wrong one is told all that is wrong with it."""

import json
from typing import Any

import pytest

from schemas.config import Config, parse_config
from schemas.errors import ConfigError
from schemas.sql_block import EARLIER_VALUE, Database

PATH = "/etc/runv-member-mail.json"

EXISTING = b"""{
  "enabled": true,
  "backend": "postfix-hash",
  "virtual_alias_file": "/etc/postfix/runv-member-aliases",
  "file_mode": "0o644",
  "check_maps": true,
  "run_postmap": true,
  "postmap_command": ["postmap", "/etc/postfix/runv-member-aliases"],
  "reload_postfix": true,
  "reload_command": ["systemctl", "reload", "postfix"],
  "auto_sync_on_approve": true
}
"""


def parse(content: bytes | dict[str, Any]) -> Config:
    return parse_config(content if isinstance(content, bytes) else json.dumps(content).encode(), PATH)


def message_of(content: bytes | dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as refusal:
        parse(content)
    return str(refusal.value)


def test_the_existing_servers_file_is_understood_unchanged() -> None:
    config = parse(EXISTING)
    assert config == Config(
        enabled=True,
        postmap_command=["postmap", "/etc/postfix/runv-member-aliases"],
        reload_postfix=True,
        auto_sync_on_approve=True,
    )
    assert (config.map_type, config.mode) == ("hash", 0o644)


def test_every_key_may_be_left_out_and_nothing_is_published_by_default() -> None:
    config = parse(b"{}")
    assert config == Config()
    assert not config.enabled
    assert (config.virtual_alias_file, config.state_dir, config.runtime_dir) == (
        "/etc/postfix/runv-member-aliases",
        "/var/lib/runv",
        "/run/runv-email-alias",
    )
    assert (config.group, config.domain, config.reserved) == ("runv-members", "runv.club", [])
    assert config.max_request_age_days == 7
    assert (config.postmap_command, config.reload_postfix) == (["postmap"], "auto")
    assert (config.check_maps, config.run_postmap, config.auto_sync_on_approve) == (True, True, None)


@pytest.mark.parametrize(
    ("given", "mode"),
    [("0o644", 0o644), ("0644", 0o644), ("644", 0o644), ("0o640", 0o640), ("0o600", 0o600), ("0o444", 0o444)],
)
def test_a_mode_may_be_written_in_the_usual_ways(given: str, mode: int) -> None:
    assert parse({"file_mode": given}).mode == mode


@pytest.mark.parametrize("map_type", ["hash", "btree", "lmdb", "cdb", "texthash"])
def test_each_type_of_map_can_be_named(map_type: str) -> None:
    assert parse({"backend": f"postfix-{map_type}"}).map_type == map_type


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        ({"enabled": "yes"}, "`enabled`: Expected `bool`, got `str`."),
        ({"enabled": 1}, "`enabled`: Expected `bool`, got `int`."),
        ({"backend": "hash"}, "`backend` is 'hash'; one of postfix-hash, postfix-btree, "),
        ({"backend": []}, "`backend` is '[]'; one of"),
        ({"backend": None}, "`backend` is 'None'; one of"),
        ({"virtual_alias_file": "runv-member-aliases"}, "`virtual_alias_file`: Expected `str` matching regex"),
        ({"virtual_alias_file": "/etc/postfix/a\nb"}, "`virtual_alias_file`: Expected `str` matching regex"),
        ({"virtual_alias_file": "/etc/postfix/a\n"}, "`virtual_alias_file`: Expected `str` matching regex"),
        ({"state_dir": "/var/lib/\x00"}, "`state_dir`: Expected `str` matching regex"),
        ({"file_mode": 420}, "`file_mode`: Expected `str`, got `int`."),
        ({"file_mode": "rw-r--r--"}, "`file_mode`: Expected `str` matching regex"),
        ({"file_mode": "o644"}, "`file_mode`: Expected `str` matching regex"),
        ({"file_mode": "0o644\n"}, "`file_mode`: Expected `str` matching regex"),
        ({"file_mode": "0o1644"}, "`file_mode`: Expected `str` matching regex"),
        ({"file_mode": "0o664"}, "`file_mode` is 0o664: the map must be readable by its owner, "),
        ({"file_mode": "0o646"}, "`file_mode` is 0o646: the map must"),
        ({"file_mode": "0o755"}, "`file_mode` is 0o755: the map must"),
        ({"file_mode": "0o044"}, "`file_mode` is 0o044: the map must"),
        ({"postmap_command": []}, "`postmap_command`: Expected `array` of length >= 1."),
        ({"postmap_command": "postmap"}, "`postmap_command`: Expected `array`, got `str`."),
        ({"postmap_command": ["postmap", 1]}, "`postmap_command`: Expected `str`, got `int` - at `$[1]`."),
        ({"reload_command": ["true", "a\x00b"]}, "`reload_command`: Expected `str` matching regex"),
        ({"reload_postfix": "never"}, "`reload_postfix`: "),
        ({"domain": "Runv.Club"}, "`domain`: Expected `str` matching regex"),
        ({"domain": "runv"}, "`domain`: Expected `str` matching regex"),
        ({"domain": "runv.club\n"}, "`domain`: Expected `str` matching regex"),
        ({"domain": "runv.club, example.org"}, "`domain`: Expected `str` matching regex"),
        ({"group": ""}, "`group`: Expected `str` of length >= 1."),
        ({"reserved": "staff"}, "`reserved`: Expected `array`, got `str`."),
        ({"max_request_age_days": 0}, "`max_request_age_days`: Expected `int` >= 1."),
        ({"max_request_age_days": 3651}, "`max_request_age_days`: Expected `int` <= 3650."),
        ({"max_request_age_days": True}, "`max_request_age_days`: Expected `int`, got `bool`."),
        ({"enable": True}, "The key `enable` is not known; the nearest known one is `enabled`."),
        ({"alias_file": ""}, "The key `alias_file` is not known; the nearest known one is `virtual_alias_file`."),
        ({"Domain": "runv.club"}, "The key `Domain` is not known; the nearest known one is `domain`."),
        ({"zzz": 1}, "The key `zzz` is not known; the nearest known one is `"),
        ({"": 1}, "The key `` is not known; the nearest known one is `"),
        ({"\x1b[2J\n": 1}, r"The key `\x1b[2J\n` is not known"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_told_with_the_file_and_what_was_expected(content: dict[str, Any], trouble: str) -> None:
    message = message_of(content)
    assert message.startswith(f"{PATH}: {trouble}")
    assert message.isprintable()


def test_all_that_is_wrong_is_told_at_once_one_line_each_in_the_files_order() -> None:
    message = message_of(
        {"enabeld": True, "domain": "RUNV", "enabled": True, "file_mode": "777", "backend": "sendmail", "x": 1}
    )
    lines = message.split("\n")
    assert len(lines) == 5
    for line, key in zip(lines, ("enabeld", "domain", "file_mode", "backend", "x"), strict=True):
        assert line.startswith(f"{PATH}: ")
        assert f"`{key}`" in line


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "It is not JSON: "),
        (b'{"enabled": true', "It is not JSON: "),
        (b'{"enabled": true,}', "It is not JSON: "),
        (b'{"group": "\xff"}', "It is not JSON: "),
        (b"[]", "It is JSON, but not an object: a list was found."),
        (b'{"enabled": true, "enabled": false}', "The key `enabled` stands twice."),
    ],
)
def test_what_is_no_json_object_is_told_so(data: bytes, problem: str) -> None:
    assert message_of(data).startswith(f"The config file {PATH} was expected to be one JSON object. {problem}")


BLOCK = {
    "map_file": "/etc/postfix/mysql-aliases.cf",
    "write_map_file": "/etc/runv-mail.cf",
    "table": "mail.alias",
    "address_column": "address",
    "goto_column": "goto",
    "managed_column": "managed_by",
    "managed_value": "runv",
    "constants": {"domain": "runv.club", "active": 1, "weight": 0.5, "gone": False},
}


@pytest.mark.parametrize("name", ["sql", "mysql"])
@pytest.mark.parametrize("map_type", ["mysql", "pgsql", "sqlite"])
def test_the_block_of_a_database_is_understood_under_both_its_names(name: str, map_type: str) -> None:
    config = parse({"backend": f"postfix-{map_type}", name: BLOCK})
    assert config.in_database
    assert config.database == Database(**BLOCK)  # type: ignore[arg-type]
    assert (config.map_path, config.map_name) == (BLOCK["map_file"], f"{map_type}:{BLOCK['map_file']}")


def test_the_map_file_may_stand_outside_of_the_block() -> None:
    config = parse({"backend": "postfix-mysql", "mysql_map_file": "/etc/postfix/a.cf"})
    assert (config.database, config.map_name) == (Database(map_file="/etc/postfix/a.cf"), "mysql:/etc/postfix/a.cf")
    config = parse({"backend": "postfix-mysql", "mysql_map_file": "/etc/postfix/a.cf", "mysql": {"table": "alias"}})
    assert config.database == Database(map_file="/etc/postfix/a.cf", table="alias")


@pytest.mark.parametrize("backend", ["postfix-mysql", "postfix-hash"])
def test_what_the_example_of_earlier_tools_leaves_blank_is_not_given(backend: str) -> None:
    block = {"table": "", "address_column": "", "goto_column": "", "managed_column": "comment"}
    path = "/etc/postfix/mysql-virtual-alias-maps.cf"
    config = parse({"backend": backend, "mysql_map_file": path, "mysql": {**block, "managed_value": "ours"}})
    assert config.database == Database(map_file=path, managed_column="comment", managed_value="ours")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"managed_column": "note"}, Database(managed_column="note", managed_value="runv-email-alias")),
        ({"managed_column": "note", "managed_value": ""}, Database(managed_column="note", managed_value=EARLIER_VALUE)),
        ({"managed_column": "", "managed_value": "ours"}, Database()),
        ({"managed_column": None, "table": None}, Database()),
    ],
)
def test_a_blank_mark_never_takes_every_row_without_one_for_ours(given: dict[str, Any], meant: Database) -> None:
    assert parse({"sql": given}).database == meant


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        ({"sql": []}, "`sql`: Expected `object | null`, got `array`."),
        ({"sql": {"map_fil": 1}}, "The key `sql.map_fil` is not known; the nearest known one is `sql.map_file`."),
        ({"mysql": {"tabel": ""}}, "The key `mysql.tabel` is not known; the nearest known one is `mysql.table`."),
        ({"mysql": {"colums": 1}}, "The key `mysql.colums` is not known; the nearest known one is `mysql."),
        ({"sql": {"map_file": "a.cf"}}, "`sql.map_file` is 'a.cf'; a path from / was expected."),
        ({"sql": {"write_map_file": "/a\n"}}, r"`sql.write_map_file` is '/a\\n'; a path from / was expected."),
        ({"sql": {"table": "a.b.c"}},
         "`sql.table` is 'a.b.c'; the name of a table was expected, or `schema.table`, without quotes."),
        ({"sql": {"table": 1}}, "`sql.table` is '1'; the name of a table was expected, "),
        ({"mysql": {"goto_column": '"goto"'}},
         "`mysql.goto_column` is '\"goto\"'; the name of a column was expected, without quotes and dots."),
        ({"sql": {"managed_column": "a.b"}}, "`sql.managed_column` is 'a.b'; the name of a column was expected, "),
        ({"sql": {"managed_value": []}}, "`sql.managed_value` is '[]'; text, a number, true or false was expected."),
        ({"sql": {"managed_value": "a\0"}}, r"`sql.managed_value` is 'a\\x00'; text, a number, "),
        ({"sql": {"constants": [1]}},
         "`sql.constants` is '[1]'; an object of columns, each with its value, was expected."),
        ({"sql": {"constants": {"a.b": 1}}},
         "`sql.constants` has the key 'a.b'; the name of a column was expected, without quotes and dots."),
        ({"sql": {"constants": {"a": None}}},
         "`sql.constants.a` is 'None'; text, a number, true or false was expected."),
        ({"sql": {"constants": {"a": "x\0"}}}, r"`sql.constants.a` is 'x\\x00'; text, a number, "),
        ({"drift_check_interval": -1}, "`drift_check_interval`: Expected `int` >= 0."),
        ({"sql": {}, "mysql": {}}, "`sql` and `mysql` are two names for one block; give one of them."),
        ({"mysql_map_file": "/a", "sql": {"map_file": "/b"}},
         "`mysql_map_file` and `map_file` name different files; give one of them."),
        ({"backend": "postfix-pgsql"},
         "`backend` is postfix-pgsql, so `map_file` in `sql` has to name the file that Postfix finds the database by, "
         "see pgsql_table(5)."),
        ({"sql": {"managed_value": "m"}},
         "`managed_column` and `managed_value` belong together; give both or neither."),
        ({"sql": {"address_column": "a", "goto_column": "a"}},
         "`address_column`, `goto_column` and `managed_column` have to be different columns."),
        ({"sql": {"goto_column": "a", "constants": {"a": 1}}},
         "`constants` gives the column `a` a value, which another key names already."),
    ],
)  # fmt: skip
def test_what_is_wrong_inside_of_the_block_is_told_in_words(content: dict[str, Any], trouble: str) -> None:
    lines = message_of(content).split("\n")
    assert len(lines) == 1
    assert lines[0].startswith(f"{PATH}: {trouble}")


def test_everything_that_is_wrong_inside_of_the_block_is_told_at_once() -> None:
    lines = message_of({"sql": {"map_file": 1, "tabel": "x", "constants": {"": 1}}, "domain": "x"}).split("\n")
    assert len(lines) == 4
