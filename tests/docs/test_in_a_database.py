"""The statements of the page on databases do what the page says of them."""

import re

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from watcher.publish.sql.database import driver_of
from watcher.publish.sql.map_file import SqlType
from watcher.publish.sql.tables import OwnershipTable
from watcher.publish.sql.target import Target

from ..e2e.acts import await_problem, await_well, entry, publish
from ..sql.stage import Stage
from ..sql.tables import POSTFIXADMIN, POSTFIXADMIN_MARKED, Table
from ..support.databases import SqliteDatabase
from ..support.install import Installation
from .markdown import fences, indented, read, section

PAGE = read("docs/in-a-database.md")
TO_MARK, TO_LIST = (each for each in indented(section(PAGE, "Conflicts")) if re.search("UPDATE|INSERT", each))
LEAVE_MARKED, LEAVE_LISTED = (each for each in indented(section(PAGE, "Going back to files")) if "DELETE" in each)

WHO_MAY_WRITE = section(PAGE, "Who may write")
ON_POSTGRESQL, ON_MARIADB = (block.text for block in fences(WHO_MAY_WRITE, "sql"))

played = pytest.mark.needs("root", "accounts", "postfix", "postfix-sqlite")


@pytest.mark.parametrize(
    ("statements", "kind", "name"),
    [(ON_POSTGRESQL, "pgsql", "postgresql+psycopg"), (ON_MARIADB, "mysql", "mysql+pymysql")],
    ids=["postgresql", "mariadb"],
)
def test_the_table_of_ours_is_made_as_the_watcher_makes_it(statements: str, kind: SqlType, name: str) -> None:
    (found,) = re.findall("CREATE TABLE [^;]+", statements)
    target = Target(table="aliases", schema=None, address_column="address", goto_column="goto", constants={})
    dialect = sa.make_url(f"{name}://").get_dialect()()
    made = CreateTable(OwnershipTable(target, driver_of(kind, "the map file")).model()).compile(dialect=dialect)
    # SQLAlchemy has no order for MariaDB's options of a table.
    assert sorted(re.findall(r"\w+", found)) == sorted(re.findall(r"\w+", str(made)))


@played
@pytest.mark.parametrize(
    ("table", "statement"), [(POSTFIXADMIN_MARKED, TO_MARK), (POSTFIXADMIN, TO_LIST)], ids=["marked", "listed"]
)
def test_a_row_that_was_there_before_is_given_to_us(installation: Installation, table: Table, statement: str) -> None:
    column, value = (table.block.get(key, "") for key in ("managed_column", "managed_value"))
    statement = statement.replace("managed_by", column).replace("runv-email-alias", value)
    with SqliteDatabase() as database, Stage(installation, database, table) as stage:
        stage.accounts.add("pablo")
        # It goes where the registry would have it go, and would stay when that is revoked.
        stage.add_foreign("pablo@runv.club", "pablo@example.org")
        stage.start_watcher()
        publish(stage, {"pablo": entry("pablo", "pablo@example.org")})
        await_problem(stage, "alias-conflict")
        database.execute(statement)
        assert stage.admin("sync").returncode == 0
        await_well(stage)
        assert stage.admin("revoke", "pablo", "--reason", "It bounces.").returncode == 0
        assert stage.published == {}


@played
@pytest.mark.parametrize(
    ("table", "statements"),
    [(POSTFIXADMIN_MARKED, LEAVE_MARKED), (POSTFIXADMIN, LEAVE_LISTED)],
    ids=["marked", "listed"],
)
def test_what_is_published_is_taken_out_for_going_back_to_files(
    installation: Installation, table: Table, statements: str
) -> None:
    column, value = (table.block.get(key, "") for key in ("managed_column", "managed_value"))
    statements = statements.replace("managed_by", column).replace("runv-email-alias", value)
    with SqliteDatabase() as database, Stage(installation, database, table) as stage:
        stage.accounts.add("pablo")
        stage.add_foreign("sales@runv.club", "sales@example.org")
        watcher = stage.start_watcher()
        publish(stage, {"pablo": entry("pablo", "pablo@example.org")})
        assert stage.published.keys() == {"pablo@runv.club", "sales@runv.club"}
        watcher.stop()
        database.execute(*statements.split(";"))
        assert stage.published.keys() == {"sales@runv.club"}
        assert database.rows("SELECT name FROM sqlite_master WHERE name LIKE 'runv%'") == []
