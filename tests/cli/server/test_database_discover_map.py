"""`discover --map`: what a map in a database points at, asked of real ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from schemas.config import parse_config
from schemas.sql_block import Database as Given
from tests.cli.conftest import Outcome, Server
from tests.sql.tables import ISPMAIL, MARKED, POSTFIXADMIN, Table
from tests.support.databases import Database, ServerDatabase, SqliteDatabase
from tests.support.postgresql import PostgreSQL
from watcher.publish.sql.database import Database as Connected
from watcher.publish.sql.errors import DatabaseError

MapOf = Callable[[Table], Path]


def shown(server: Server, path: Path | str) -> Any:
    outcome = server.admin("discover", "--map", str(path), "--json")
    assert (outcome.status, outcome.err) == (0, "")
    return outcome.json


@pytest.mark.parametrize(
    ("table", "constants"),
    [(POSTFIXADMIN, {"active": "1", "domain": "runv.club"}), (ISPMAIL, {"domain_id": 7}), (MARKED, {})],
    ids=["PostfixAdmin", "ISPmail", "own"],
)
def test_the_block_to_paste_is_whole(
    server: Server, database: Database, map_of: MapOf, table: Table, constants: dict[str, Any]
) -> None:
    path = map_of(table)
    database.execute(table.foreign.format(address="sales@runv.club", goto="boss@example.org"))
    view = shown(server, path)
    kind = database.kind
    assert view["map"] == f"{kind}:{path}"
    assert (view["table"], view["address_column"], view["goto_column"]) == (table.name, table.address, table.goto)
    assert view["constants"] == constants
    assert (view["total"], view["open"], view["trouble"]) == (1, [], None)
    (row,) = view["rows"]
    assert (row[table.address], row[table.goto]) == ("sales@runv.club", "boss@example.org")
    block = {"map_file": str(path), "table": table.name, "address_column": table.address, "goto_column": table.goto}
    assert view["block"] == {
        "backend": f"postfix-{kind}",
        "sql": block | ({"constants": constants} if constants else {}),
    }
    assert parse_config(json.dumps(view["block"]).encode(), "x").map_name == f"{kind}:{path}"
    by_name = {column["name"]: column for column in view["columns"]}
    assert list(by_name) == list(row)
    assert by_name[table.address]["needed"] is True
    if table is ISPMAIL:
        assert by_name["domain_id"]["refers_to"] == "virtual_domains.id"
        assert by_name["id"]["needed"] is False


def test_it_is_told_in_columns_with_the_password_hidden(server: Server, database: Database, map_of: MapOf) -> None:
    path = map_of(ISPMAIL)
    database.execute("ALTER TABLE virtual_aliases ADD COLUMN api_token varchar(64)")
    database.execute("ALTER TABLE virtual_aliases ADD COLUMN private_key varchar(64) DEFAULT 'hunter2'")
    columns = "domain_id, source, destination, api_token"
    database.execute(f"INSERT INTO virtual_aliases ({columns}) VALUES (7, 'a@runv.club', 'b', 'hunter2')")
    outcome = server.admin("discover", "--map", str(path))
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[:3] == ["MAP IN A DATABASE", f"map        {database.kind}:{path}", "file mode  0640 root:postfix"]
    assert any(line.split() == ["table", "virtual_aliases"] for line in lines)
    assert any(line.split() == ["rows", "1"] for line in lines)
    assert any(
        "source=a@runv.club  destination=b  api_token=(not shown)  private_key=(not shown)" in line for line in lines
    )
    assert "hunter2" not in outcome.out
    start = lines.index("FOR THE CONFIGURATION")
    assert json.loads("\n".join(lines[start + 1 :]))["sql"]["constants"] == {"domain_id": 7}
    if isinstance(database, ServerDatabase):
        assert any(line.split(maxsplit=1) == ["password", "given, and not shown"] for line in lines)
    assert not any(secret in outcome.out for secret in database.secrets)


def test_nothing_is_written_though_the_account_could(server: Server, database: Database, map_of: MapOf) -> None:
    path = map_of(POSTFIXADMIN)
    tables = {
        "mysql": "SELECT table_name FROM information_schema.tables WHERE table_schema = database()",
        "pgsql": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    }[database.kind]
    before = (sorted(database.rows(tables)), database.rows("SELECT * FROM alias"))
    config = server.paths.config.read_bytes()
    shown(server, path)
    assert (sorted(database.rows(tables)), database.rows("SELECT * FROM alias")) == before
    assert server.paths.config.read_bytes() == config


def test_what_stands_in_a_row_cannot_act_on_the_terminal(server: Server, database: Database, map_of: MapOf) -> None:
    path = map_of(MARKED)
    database.execute("INSERT INTO aliases (address, goto) VALUES ('a\x1b]0;x\x07', 'b\nc')")
    outcome = server.admin("discover", "--map", str(path))
    assert "\x1b" not in outcome.out
    assert "address=a\\x1b]0;x\\x07  goto=b\\nc" in outcome.out


def test_a_column_that_cannot_be_told_is_named(server: Server, database: Database, map_of: MapOf) -> None:
    path = map_of(ISPMAIL)
    database.execute("DELETE FROM virtual_domains")
    view = shown(server, path)
    assert (view["open"], view["constants"]) == (["domain_id"], {})
    assert "New rows need a value in these columns too; give it in `constants`: domain_id." in " ".join(
        server.admin("discover", "--map", str(path)).out.split()
    )


@pytest.mark.parametrize("database", ["mysql", "pgsql"], indirect=True)
def test_a_server_that_is_down_leaves_what_the_file_says(server: Server, database: Database, map_of: MapOf) -> None:
    assert isinstance(database, ServerDatabase)
    path = map_of(MARKED)
    text = path.read_text().replace(database.address, "127.0.0.1:1")
    path.write_text(text)
    outcome = server.admin("discover", "--map", str(path))
    assert outcome.status == 1
    assert outcome.err.startswith("The database inet:127.0.0.1:1 ")
    assert any(line.split() == ["table", "aliases"] for line in outcome.out.splitlines())
    assert not any(secret in outcome.out + outcome.err for secret in database.secrets)
    view = server.admin("discover", "--map", str(path), "--json")
    assert (view.status, view.err) == (1, "")
    assert view.json["trouble"] == outcome.err.strip()
    assert view.json["block"]["sql"]["table"] == "aliases"
    assert (view.json["file"]["has_password"], view.json["columns"], view.json["total"]) == (True, [], None)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_query_that_is_more_than_plain_is_shown_with_what_to_give(
    server: Server, database: Database, map_of: MapOf
) -> None:
    assert isinstance(database, SqliteDatabase)
    path = map_of(MARKED)
    query = "SELECT goto FROM aliases JOIN domains USING (domain) WHERE address = '%s'"
    database.write_map(path, query)
    outcome = server.admin("discover", "--map", str(path))
    assert outcome.status == 1
    assert outcome.err.endswith("Give `table`, `address_column`, `goto_column` in `sql`.\n")
    assert f"query      {query}" in outcome.out
    # As soon as the configuration says it, the table is looked at.
    block = {"map_file": str(path), "table": "aliases", "address_column": "address", "goto_column": "goto"}
    server.configure(backend="postfix-sqlite", sql=block | {"managed_column": "owner", "managed_value": "runv"})
    view = shown(server, path)
    assert view["total"] == 0
    assert view["block"]["sql"] == block | {"managed_column": "owner", "managed_value": "runv"}


@pytest.mark.parametrize("database", ["mysql"], indirect=True)
def test_what_an_earlier_block_says_is_in_the_block_under_its_own_name(
    server: Server, database: Database, map_of: MapOf
) -> None:
    path = map_of(POSTFIXADMIN)
    earlier = {"table": "", "managed_column": "description", "managed_value": "runv-email-alias"}
    server.configure(mysql_map_file=str(path), mysql=earlier)
    view = shown(server, path)
    block = view["block"]["mysql"]
    assert "sql" not in view["block"]
    assert (block["table"], block["managed_column"]) == ("alias", "description")
    types = {column["name"]: column["type"] for column in view["columns"]}
    assert types["description"] == "VARCHAR(255)"


@pytest.mark.parametrize("database", ["pgsql"], indirect=True)
def test_whom_postgresql_knows_by_the_name_of_the_process_alone_is_told_of_another_way(
    server: Server, database: Database, map_of: MapOf, postgresql: PostgreSQL
) -> None:
    assert isinstance(database, ServerDatabase)
    path = map_of(MARKED)
    display_path = f"{quote(str(postgresql.sockets), safe='')}:{postgresql.port}"
    database.write_map(path, MARKED.query, hosts=f"postgresql://stranger@{display_path}/{database.name}")
    outcome = trouble(server, path)
    assert "does not let stranger in" in outcome.err
    assert "By its socket it lets in only the account of the same name. Give `hosts = 127.0.0.1`" in outcome.err


def trouble(server: Server, given: Path | str) -> Outcome:
    outcome = server.admin("discover", "--map", str(given))
    assert outcome.out.splitlines()[0] == "MAP IN A DATABASE"
    return outcome


def test_a_file_that_is_not_there_is_told(server: Server, tmp_path: Path) -> None:
    outcome = trouble(server, f"mysql:{tmp_path}/none.cf")
    assert outcome.status == 1
    assert outcome.err.startswith(f"The map file {tmp_path}/none.cf cannot be read: ")


def test_a_map_that_is_no_database_is_a_usage_error(server: Server) -> None:
    outcome = server.admin("discover", "--map", "hash:/etc/postfix/virtual")
    assert (outcome.status, outcome.out) == (2, "")
    assert "hash:/etc/postfix/virtual is no map in a database." in outcome.err


def test_a_password_that_everybody_can_read_is_warned_of(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "mysql.cf"
    path.write_text(
        "hosts = 127.0.0.1:1\nuser = u\npassword = hunter2\ndbname = d\nquery = SELECT g FROM t WHERE a='%s'\n"
    )
    path.chmod(0o644)
    message = "Every account can read that file, and the password in it. Give it the mode 0640 and the group postfix."
    outcome = trouble(server, path)
    assert message in " ".join(outcome.out.split())
    path.chmod(0o640)
    assert message not in " ".join(trouble(server, path).out.split())
    assert "hunter2" not in outcome.out + outcome.err


def test_a_look_is_not_able_to_write(database: Database, map_of: MapOf) -> None:
    path = map_of(MARKED)
    looked_at = Connected(database.kind, Given(map_file=str(path)))
    with pytest.raises(DatabaseError), looked_at.session(5, writing=False) as session:
        session.connection.exec_driver_sql(MARKED.foreign.format(address="a@runv.club", goto="a@example.org"))
    with looked_at.session(5, writing=True) as session:
        session.connection.exec_driver_sql(MARKED.foreign.format(address="b@runv.club", goto="b@example.org"))
    assert [row[0] for row in database.rows("SELECT address FROM aliases")] == ["b@runv.club"]
