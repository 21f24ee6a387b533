"""What a database refuses: each with the next step in words, and published as soon as that was taken."""

import re

import pytest

from ..e2e.acts import activate, await_problem, await_well, entries, publish, write_registry
from ..support.databases import ServerDatabase
from .conftest import SetUp
from .kinds import ON_SERVERS, on
from .stage import Stage, poll
from .tables import MARKED, POSTFIXADMIN, UNMARKED


@ON_SERVERS
def test_a_password_that_was_mended_is_taken_up_at_once(stage: Stage, on_server: ServerDatabase) -> None:
    """Neither a restart is needed for it, nor the patience for the next try by the clock."""
    on_server.write_map(stage.map_file, MARKED.query, password="wrong-#=" + on_server.reader.password)
    watcher = stage.start_watcher()
    problem = await_problem(stage, "publish-failed")
    assert on_server.writer.user in problem
    assert str(stage.map_file) in problem
    # The more often it fails, the longer it rests.
    for _ in range(4):
        assert stage.admin("sync").returncode == 1
    watcher.wait_quiet()

    on_server.write_map(stage.map_file, MARKED.query)

    await_well(stage, timeout=5.0)


def test_a_table_that_is_missing_is_told_of_with_what_makes_it(stage: Stage) -> None:
    stage.database.execute("DROP TABLE aliases")
    stage.start_watcher()
    write_registry(stage, entries(1))

    problem = await_problem(stage, "publish-failed")

    statement = _between(problem, "CREATE TABLE", ";")
    assert "aliases" in problem
    stage.database.execute(statement.rstrip(";"))
    await_well(stage)
    assert stage.published == {"member00@runv.club": "member00@example.org"}


@on("mysql")
def test_a_column_that_is_missing_is_named(stage: Stage) -> None:
    stage.configure(sql={**stage.config["sql"], "goto_column": "going_to"})
    stage.start_watcher()

    assert "going_to" in await_problem(stage, "publish-failed")

    stage.configure(sql={**stage.config["sql"], "goto_column": "goto"})
    await_well(stage)


@ON_SERVERS
def test_a_privilege_that_is_missing_is_told_of_with_what_grants_it(stage: Stage, on_server: ServerDatabase) -> None:
    user = on_server.reader
    on_server.write_map(stage.map_file, MARKED.query, user=user.user, password=user.password)
    stage.start_watcher()
    write_registry(stage, entries(1))

    problem = await_problem(stage, "publish-failed")

    on_server.execute(_between(problem, "GRANT", ";").rstrip(";"))
    await_well(stage)
    assert len(stage.rows) == 1


@ON_SERVERS
def test_a_list_of_our_rows_that_we_may_not_make_is_told_of_with_what_makes_it(
    set_up: SetUp, on_server: ServerDatabase
) -> None:
    stage = set_up(UNMARKED)
    on_server.forbid_making_tables()
    stage.start_watcher()
    write_registry(stage, entries(1))

    problem = await_problem(stage, "publish-failed")

    assert "managed_column" in problem
    assert stage.rows == []
    on_server.execute(_between(problem, "CREATE TABLE", ";").rstrip(";"))
    on_server.execute(_between(problem, "GRANT", ";").rstrip(";"))
    await_well(stage)
    assert len(stage.rows) == 1


@on("mysql")
def test_a_list_of_our_rows_is_told_of_to_an_account_that_has_single_tables(
    set_up: SetUp, on_server: ServerDatabase
) -> None:
    """To such an account MariaDB does not say whether there is one."""
    stage = set_up(UNMARKED)
    user = on_server.writer.user
    on_server.server.execute(f"REVOKE ALL PRIVILEGES ON {on_server.name}.* FROM {user}")
    on_server.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {on_server.name}.aliases TO {user}")
    stage.start_watcher()
    write_registry(stage, entries(1))

    on_server.execute(*_statements(await_problem(stage, "publish-failed")))

    await_well(stage)
    assert len(stage.rows) == 1
    on_server.execute(f"REVOKE ALL PRIVILEGES ON {on_server.name}.runv_email_alias_rows FROM {user}")
    said = stage.admin("sync", "--dry-run").stderr
    on_server.execute(*_statements(said))
    assert stage.admin("sync").returncode == 0


@ON_SERVERS
def test_what_is_to_be_granted_can_be_typed_whatever_the_names_are(stage: Stage, on_server: ServerDatabase) -> None:
    server, user, mark = on_server.server, f"e-mail {on_server.name}", {"mysql": "`", "pgsql": '"'}[on_server.kind]
    server.make_user(user, on_server.writer.password)
    try:
        names = ["Our-Schema", "order"] if on_server.kind == "pgsql" else ["our-order"]
        table = ".".join(f"{mark}{name}{mark}" for name in names)
        if on_server.kind == "pgsql":
            on_server.execute('CREATE SCHEMA "Our-Schema"')
        on_server.execute(f"CREATE TABLE {table} (address varchar(99) PRIMARY KEY, goto varchar(99), owner varchar(9))")
        query = f"SELECT goto FROM {table} WHERE address = '%s'"
        on_server.write_map(stage.map_file, query, user=user)
        if on_server.kind == "mysql":
            on_server.execute(f"GRANT SELECT (goto) ON {table} TO {mark}{user}{mark}")
        stage.start_watcher()
        write_registry(stage, entries(1))

        on_server.execute(*_statements(await_problem(stage, "publish-failed")))

        await_well(stage)
        assert stage.map_lookup("member00@runv.club") == "member00@example.org"
    finally:
        for watcher in stage.watchers:
            watcher.kill()
        if on_server.kind == "pgsql":
            on_server.execute(f'DROP OWNED BY "{user}"')
        server.execute({"mysql": f"DROP USER `{user}`", "pgsql": f'DROP ROLE "{user}"'}[on_server.kind])


@on("mysql")
def test_a_column_without_a_default_is_named_with_the_key_that_fills_it(set_up: SetUp) -> None:
    stage = set_up(POSTFIXADMIN)
    stage.configure(sql={"map_file": str(stage.map_file)})
    stage.start_watcher()
    write_registry(stage, entries(1))

    problem = await_problem(stage, "publish-failed")

    assert "domain" in problem
    assert "constants" in problem
    stage.configure(sql={"map_file": str(stage.map_file), **POSTFIXADMIN.block})
    await_well(stage)
    assert stage.map_lookup("member00@runv.club") == "member00@example.org"


@ON_SERVERS
def test_a_row_of_ours_that_another_table_refers_to_is_told_of_with_what_frees_it(
    stage: Stage, on_server: ServerDatabase
) -> None:
    stage.start_watcher()
    publish(stage, entries(2))
    on_server.execute(
        "CREATE TABLE quotas (address varchar(255) REFERENCES aliases (address))",
        "INSERT INTO quotas VALUES ('member01@runv.club')",
    )

    write_registry(stage, entries(1))

    problem = await_problem(stage, "publish-failed")
    assert "quotas" in problem
    assert "where a row of ours is to go, remove what refers to it" in problem
    assert len(stage.rows) == 2
    on_server.execute("DELETE FROM quotas")
    await_well(stage)
    assert len(stage.rows) == 1


@on("pgsql")
def test_a_destination_that_does_not_fit_keeps_everything_as_it_was(set_up: SetUp, on_server: ServerDatabase) -> None:
    stage = set_up()
    change = {"mysql": "MODIFY goto varchar(30)", "pgsql": "ALTER goto TYPE varchar(30)"}[on_server.kind]
    on_server.execute(f"ALTER TABLE aliases {change}")
    stage.start_watcher()
    publish(stage, entries(1))
    before = stage.rows

    registry = entries(3)
    registry["member02"]["destination"] = f"{'x' * 30}@example.org"
    write_registry(stage, registry)

    message = await_problem(stage, "publish-failed")
    assert "aliases" in message
    assert "revoke member02@runv.club" in message
    assert stage.rows == before


@pytest.mark.parametrize(
    ("kind", "library", "package"),
    [
        ("mysql", "pymysql", "python3-pymysql"),
        ("pgsql", "psycopg", "python3-psycopg"),
        ("sqlite", "sqlalchemy", "python3-sqlalchemy"),
    ],
    indirect=["kind"],
)
def test_a_library_that_is_missing_is_told_of_with_its_package(stage: Stage, library: str, package: str) -> None:
    """Requests and decisions go on; only nothing can be published."""
    stage.accounts.add("pablo")
    path = stage.root / "without" / library
    path.mkdir(parents=True)
    absent = f'raise ModuleNotFoundError("No module named {library!r}", name={library!r})\n'
    (path / "__init__.py").write_text(absent)

    stage.start_watcher(env={"PYTHONPATH": str(path.parent)})

    assert f"apt install {package}" in await_problem(stage, "publish-failed")
    activate(stage, "pablo", "p@example.org")
    assert stage.registry()["pablo"]["status"] == "active"


@on("mysql")
def test_rows_that_the_query_of_the_map_does_not_find_are_told_of(set_up: SetUp) -> None:
    """Such a row is as good as none, and nobody but Postfix can say so."""
    stage = set_up(MARKED)
    query = "SELECT goto FROM aliases WHERE address = '%s' AND note = 'live'"
    stage.database.write_map(stage.map_file, query)
    fields = {"table": "aliases", "address_column": "address", "goto_column": "goto", **MARKED.block}
    constants = {"note": "not live"}
    stage.configure(sql={"map_file": str(stage.map_file), **fields, "constants": constants})
    stage.start_watcher()

    write_registry(stage, entries(1))

    problem = await_problem(stage, "map-answers-wrong")
    assert "member00@runv.club" in problem
    assert "constants" in problem
    stage.configure(sql={"map_file": str(stage.map_file), **fields})
    poll(lambda: stage.map_lookup("member00@runv.club"), what="the row to get what the query asks for")


def _between(text: str, first: str, last: str) -> str:
    """From where *first* begins in *text* to the end of the *last* after it, as somebody copies it."""
    start = text.index(first)
    return text[start : text.index(last, start) + len(last)]


def _statements(text: str) -> list[str]:
    """What *text* says is to be run, as somebody copies it."""
    return re.findall("((?:CREATE|GRANT) [^;]+);", text)
