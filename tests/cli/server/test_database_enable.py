"""`setup --enable` for maps in databases: the block is worked out, shown and written, and mail flows by the table."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.e2e.acts import activate
from tests.sql.stage import Stage
from tests.sql.tables import ISPMAIL, MARKED, POSTFIXADMIN, Table
from tests.sql.triggers import forbid, permit
from tests.support.databases import Database, ServerDatabase, SqliteDatabase
from tests.support.install import Installation
from tests.support.needs import require
from tests.support.site import Site

_SETUP = """\
import sys
from cli.server.database import named_map
from cli.setup.command import setup
from schemas.config import load_settings
named = named_map(sys.argv[2]) if sys.argv[2] else None
options = {options!r}
sys.exit(setup(load_settings(may_be_absent=True), etc=sys.argv[1], enable=True, named=named, **options))
"""


def setup(stage: Stage, *, named: bool = True, answer: str | None = None, **options: Any) -> CompletedProcess[str]:
    """`setup --enable --map`, with the overrides of units kept below this server's own /etc."""
    (stage.root / "etc" / "systemd" / "system").mkdir(parents=True, exist_ok=True)
    code = _SETUP.format(options=options)
    python = str(stage.installation.bin / "python")
    return stage.run([python, "-c", code, str(stage.root / "etc"), stage.table if named else ""], input=answer)


def drop_in(stage: Stage) -> Path:
    return stage.root / "etc" / "systemd" / "system" / "runv-email-alias-watcher.service.d" / "database.conf"


@contextmanager
def bare(installation: Installation, database: Database, table: Table, **config: Any) -> Iterator[Stage]:
    """A server that keeps its aliases in files so far, switched off, and whose Postfix asks nothing."""
    require("root", "accounts", "postfix")
    with Stage(installation, database, table) as stage:
        stage.configure(**({"enabled": False, "backend": None, "sql": None} | config))
        stage.mail.write(virtual_alias_maps="", virtual_alias_domains="")
        yield stage


def test_from_the_file_of_the_map_to_mail_that_flows(installation: Installation, database: Database) -> None:
    table = POSTFIXADMIN if database.kind == "mysql" else ISPMAIL
    constants: dict[str, Any] = {"active": "1", "domain": "runv.club"} if table is POSTFIXADMIN else {"domain_id": 7}
    with bare(installation, database, table) as stage:
        stage.accounts.add("pablo")
        postfix = stage.start_postfix()
        assert stage.sink is not None
        stage.configure(reload_command=postfix.reload_command)
        stage.start_watcher()
        activate(stage, "pablo", "p@example.org")
        before, main_cf = stage.paths.config.read_text(), stage.mail.path.read_bytes()
        block: dict[str, Any] = {"map_file": str(stage.map_file), "table": table.name, "address_column": table.address}
        block |= {"goto_column": table.goto, "constants": constants}
        reload = " ".join(postfix.reload_command)
        config = stage.paths.config
        # A file elsewhere than where the unit lets the watcher write.
        walled = database.kind == "sqlite"
        lines = [
            "To have mail flow, this will be done:",
            f"  set `enabled` to true in {config}",
            f"  set `backend` to postfix-{database.kind} in {config}",
            f"  set `sql` in {config} to:",
            *(f"    {line}" for line in json.dumps(block, indent=2).splitlines()),
            *([f"  write {drop_in(stage)}, which lets the watcher reach the database"] if walled else []),
            f"  postconf -e 'virtual_alias_maps = {stage.table}' 'virtual_alias_domains = runv.club'",
            f"  {reload}",
        ]
        shown = setup(stage, dry_run=True)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert shown.stdout.splitlines() == [*lines, "Nothing was changed."]
        asked = setup(stage, answer="n\n")
        assert (asked.returncode, asked.stderr) == (1, "")
        assert asked.stdout.splitlines()[-1] == "Do it? [y/N]: Nothing of that was done."
        assert (config.read_text(), stage.mail.path.read_bytes(), stage.rows) == (before, main_cf, [])
        assert not drop_in(stage).exists()
        done = setup(stage, answer="y\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[len(lines) :] == [
            f"Do it? [y/N]: Set `enabled`, `backend`, `sql` in {config}.",
            *([f"Wrote {drop_in(stage)}, which lets the watcher reach the database."] if walled else []),
            f"Done: {lines[-2].strip()}",
            f"Done: {reload}",
            "Mail to the aliases at runv.club flows: 1 alias in the map.",
        ]
        written = json.loads(config.read_text())
        assert written == json.loads(before) | {"enabled": True, "backend": f"postfix-{database.kind}", "sql": block}
        assert postfix.send("pablo@runv.club").accepted
        stage.sink.wait_for("p@example.org")
        text = config.read_text()
        again = setup(stage)
        assert (again.returncode, again.stderr) == (0, "")
        assert again.stdout.splitlines()[-1] == "Nothing to do: everything is set up."
        assert config.read_text() == text
        assert not any(secret in shown.stdout + done.stdout for secret in database.secrets)


@pytest.mark.parametrize("key", ["mysql", "mysql_map_file"])
@pytest.mark.parametrize("database", ["mysql"], indirect=True)
def test_a_block_of_the_existing_server_is_completed_under_its_name(
    installation: Installation, database: Database, key: str
) -> None:
    mark = {"managed_column": "owner", "managed_value": "runv"}
    with bare(installation, database, MARKED) as stage:
        path = str(stage.map_file)
        given = {"mysql": {"map_file": path, **mark}} if key == "mysql" else {"mysql_map_file": path}
        stage.configure(backend="postfix-mysql", **given)
        stage.start_watcher()
        done = setup(stage, named=False, ask=False)
        assert (done.returncode, done.stderr) == (0, "")
        written = json.loads(stage.paths.config.read_text())
        block = {"map_file": path, "table": "aliases", "address_column": "address", "goto_column": "goto"}
        if key == "mysql":
            assert (written["mysql"], "sql" in written) == (block | mark, False)
        else:
            assert (written["sql"], written["mysql_map_file"]) == (block, path)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_map_of_files_goes_once_the_rows_are_there(installation: Installation, database: Database) -> None:
    with bare(installation, database, MARKED) as stage:
        stage.accounts.add("pablo")
        old = f"hash:{stage.paths.map}"
        stage.configure(enabled=True)
        stage.mail.write(virtual_alias_maps=f"hash:/a, {old}", virtual_alias_domains="runv.club")
        stage.start_watcher()
        activate(stage, "pablo", "p@example.org")
        done = setup(stage, ask=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"Done: postconf -e 'virtual_alias_maps = hash:/a, {stage.table}'" in done.stdout.splitlines()
        assert stage.map_lookup("pablo@runv.club") == "p@example.org"
        assert stage.mail.run("postconf", "-h", "virtual_alias_maps").stdout == f"hash:/a, {stage.table}\n"


def refused(stage: Stage) -> str:
    """What it says where it switches nothing on."""
    before = stage.paths.config.read_bytes(), stage.mail.path.read_bytes()
    done = setup(stage, ask=False)
    assert done.returncode == 1
    assert (stage.paths.config.read_bytes(), stage.mail.path.read_bytes()) == before
    assert done.stderr.endswith("Publishing was not switched on.\n")
    assert not any(secret in done.stdout + done.stderr for secret in stage.database.secrets)
    return done.stderr


def test_a_table_that_is_not_there_is_told_before_anything_is_switched_on(
    installation: Installation, database: Database
) -> None:
    with bare(installation, database, MARKED) as stage:
        database.execute("DROP TABLE aliases")
        message = refused(stage)
        assert "aliases" in message
        assert "CREATE TABLE" in message


@pytest.mark.parametrize("database", ["mysql", "pgsql"], indirect=True)
def test_a_server_that_is_down_or_lets_nobody_in_is_told(installation: Installation, database: Database) -> None:
    assert isinstance(database, ServerDatabase)
    with bare(installation, database, MARKED) as stage:
        text = stage.map_file.read_text()
        stage.map_file.write_text(text.replace(database.address, "127.0.0.1:1"))
        assert "cannot be reached" in refused(stage)
        stage.map_file.write_text(text.replace(database.writer.password, "wrong"))
        assert "does not let" in refused(stage)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_was_mended_in_the_database_is_seen_though_the_watcher_rests(
    installation: Installation, database: Database
) -> None:
    with bare(installation, database, MARKED) as stage:
        stage.accounts.add("pablo")
        stage.start_watcher()
        activate(stage, "pablo", "p@example.org")
        forbid(database, MARKED, "pablo@runv.club")
        refusal = setup(stage, ask=False)
        assert refusal.returncode == 1
        assert "not this one" in refusal.stderr
        # The more often it fails, the longer it rests.
        for _ in range(4):
            assert stage.admin("sync").returncode == 1
        permit(database, MARKED)
        done = setup(stage, ask=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("Mail to the aliases at runv.club flows: 1 alias in the map.\n")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_file_that_the_service_does_not_see_is_told(installation: Installation, database: Database) -> None:
    assert isinstance(database, SqliteDatabase)
    with bare(installation, database, MARKED) as stage, tempfile.TemporaryDirectory(dir="/root") as home:
        copy = shutil.copy(database.path, home)
        stage.map_file.write_text(stage.map_file.read_text().replace(str(database.path), copy))
        assert f"The service does not see {copy}: it sees nothing below /home, /root and /run/user." in refused(stage)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_column_that_needs_what_nobody_knows_is_told(installation: Installation, database: Database) -> None:
    with bare(installation, database, ISPMAIL) as stage:
        database.execute("DELETE FROM virtual_domains")
        assert "New rows of the table virtual_aliases need a value in `domain_id`, which cannot be told." in refused(
            stage
        )
        stage.configure(sql={"map_file": str(stage.map_file), "constants": {"domain_id": 9}})
        shown = setup(stage, dry_run=True)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert '        "domain_id": 9' in shown.stdout.splitlines()


@pytest.mark.parametrize("database", ["mysql", "pgsql"], indirect=True)
def test_libraries_that_are_missing_are_told_with_the_command(installation: Installation, database: Database) -> None:
    with bare(installation, database, MARKED) as stage:
        library = {"mysql": "pymysql", "pgsql": "psycopg"}[database.kind]
        code = f"import sys\nsys.modules['{library}'] = None\nfrom cli.admin.main import main\n"
        code += f"sys.exit(main(['setup', '--enable', '--yes', '--map', {stage.table!r}]))"
        done = stage.run([str(stage.installation.bin / "python"), "-c", code])
        assert done.returncode == 1
        assert done.stderr == (
            f"The libraries for the database are not there. Run `apt-get install python3-{library}`, then this command "
            "once more. Publishing was not switched on.\n"
        )


def test_map_goes_with_enable_only(installation: Installation) -> None:
    with Site(installation) as site:
        done = site.admin("setup", "--map", "mysql:/etc/postfix/x.cf")
        assert done.returncode == 2
        assert "--map goes with --enable only." in done.stderr


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_registry_that_is_lost_is_not_made_anew_while_the_database_has_aliases(
    installation: Installation, database: Database
) -> None:
    with bare(installation, database, MARKED) as stage:
        stage.configure(backend="postfix-sqlite", sql={"map_file": str(stage.map_file), **MARKED.block})
        database.execute(
            "INSERT INTO aliases (address, goto, owner) VALUES ('pablo@runv.club', 'p@example.org', 'runv')"
        )
        stage.paths.registry.unlink()
        lost = setup(stage, ask=False)
        assert lost.returncode == 1
        assert lost.stderr.splitlines()[0] == (
            f"Warning: The registry {stage.paths.registry} is not there, and the database of {stage.table} has aliases "
            "of its, which an empty registry would switch off. Put the registry back from a backup; if the aliases are "
            "to go, delete their rows and run this command again."
        )
        assert not stage.paths.registry.exists()
        database.execute("ALTER TABLE aliases RENAME TO away")
        assert "could not be found out: The table aliases is not in the database" in setup(stage, ask=False).stderr
        assert not stage.paths.registry.exists()
        database.execute("ALTER TABLE away RENAME TO aliases", "DELETE FROM aliases")
        setup(stage, dry_run=False, ask=False)
        assert stage.paths.registry.read_text() == "{}\n"
