"""`doctor` where the aliases are in a database."""

import json
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cli.doctor.conftest import Clinic
from tests.sql.stage import Stage
from tests.sql.tables import MARKED, Table
from tests.support.databases import Database, ServerDatabase, SqliteDatabase
from tests.support.install import Installation
from tests.support.needs import require
from tests.support.programs import Programs

Practice = Callable[..., tuple[Clinic, Stage]]


@pytest.fixture
def practice(installation: Installation, database: Database) -> Iterator[Practice]:
    """A function that sets up a server which publishes to *database*, to be examined."""
    require("root", "accounts", "postfix")
    with ExitStack() as stack:

        def set_up(table: Table = MARKED, **config: Any) -> tuple[Clinic, Stage]:
            stage = stack.enter_context(Stage(installation, database, table, **config))
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="runv-doctor-", dir="/tmp")))
            directory.chmod(0o755)
            return Clinic(stage, Programs(directory / "bin")), stage

        yield set_up


@pytest.mark.parametrize("database", ["pgsql"], indirect=True)
def test_all_is_well_and_conflicts_are_told_with_both_destinations(practice: Practice) -> None:
    clinic, stage = practice()
    clinic.start(pablo="p@example.org", maria="m@example.org")
    report = clinic.examine()
    assert report.worse == set()
    assert {each["code"] for each in report.findings} >= {
        "database",
        "database-library",
        "map-file",
        "map-query",
        "chroot",
    }
    assert "map-build" not in {each["code"] for each in report.findings}
    assert report.one("database") == ("ok", "The database answers; rows of this program's making: 2.", None)
    assert report.one("answers")[1] == "The map answers for all 2 active aliases as the registry has it."
    code = "import sys, cli.doctor.aliases as aliases\naliases.SAMPLE = 1\n"
    code += "from cli.admin.main import main\nsys.exit(main(['doctor', '--json']))"
    some = stage.run([str(stage.installation.bin / "python"), "-c", code], env=clinic.path())
    (some_answered,) = (each["what"] for each in json.loads(some.stdout)["verdicts"] if each["code"] == "answers")
    assert some_answered == (
        "The map answers as the registry has it for 1 of 2 active aliases, which were picked at random, and the "
        "database has the rows of all of them."
    )
    stage.remove("maria@runv.club")
    stage.add_foreign("maria@runv.club", "held@example.org")
    stage.add_foreign("sales@runv.club", "boss@example.org")
    assert stage.admin("sync").returncode == 0
    report = clinic.examine()
    assert report.worse == {"conflicts"}
    assert report.one("conflicts") == (
        "problem",
        "A row in the database that is not of this program's making holds an active alias, which is not published: "
        "maria@runv.club should go to m@example.org and goes to held@example.org. Delete that row and run `sync`, or "
        "revoke the alias.",
        None,
    )
    dry = stage.admin("sync", "--dry-run", "--json")
    assert json.loads(dry.stdout)["conflicts"] == [
        {"alias": "maria@runv.club", "destination": "m@example.org", "held": ["held@example.org"]}
    ]
    assert (dry.returncode, json.loads(dry.stdout)["added"], json.loads(dry.stdout)["removed"]) == (0, [], [])
    assert stage.admin("sync", "--dry-run").stdout.startswith(
        "Nothing would change: 1 alias published, 1 alias left out.\n"
    )
    found = stage.admin("sync", "--dry-run")
    assert "maria@runv.club  held@example.org -> m@example.org" in found.stdout.splitlines()
    # What the watcher does not know yet is seen all the same.
    clinic.watcher.kill() if clinic.watcher else None
    stage.point("pablo@runv.club", "wrong@example.org")
    told_wrong = "The map sends an alias elsewhere than the registry has it: pablo@runv.club -> wrong@example.org (not "
    assert clinic.examine().one("answers")[1] == f"{told_wrong}p@example.org)."
    stage.remove("maria@runv.club")
    changed = json.loads(stage.admin("sync", "--dry-run", "--json").stdout)
    assert [each["alias"] for each in (*changed["added"], *changed["changed"])] == [
        "maria@runv.club",
        "pablo@runv.club",
    ]


@pytest.mark.parametrize("database", ["mysql"], indirect=True)
def test_a_database_that_is_away_is_told_once_and_the_rest_is_looked_at(practice: Practice, database: Database) -> None:
    assert isinstance(database, ServerDatabase)
    clinic, stage = practice()
    text = stage.map_file.read_text()
    stage.map_file.write_text(text.replace(database.address, "127.0.0.1:1"))
    clinic.registry(pablo="p@example.org")
    stage.start_watcher()
    report = clinic.examine()
    assert report.worse >= {"database", "publish-failed", "converged"}
    severity, message, _ = report.one("database")
    assert (severity, "127.0.0.1:1" in message) == ("problem", True)
    assert report.of("answers") == report.of("conflicts") == []
    assert report.one("registry")[0] == "ok"
    dry = stage.admin("sync", "--dry-run")
    assert (dry.returncode, dry.stdout) == (1, "")
    assert "cannot be reached" in dry.stderr
    everything = clinic.doctor().stdout + dry.stderr + stage.admin("status").stdout
    assert not any(secret in everything for secret in database.secrets)


@pytest.mark.parametrize("database", ["mysql"], indirect=True)
def test_files_that_others_can_read_or_change_are_mended_by_the_lines(practice: Practice) -> None:
    clinic, stage = practice()
    clinic.start(pablo="p@example.org")
    path = stage.map_file
    path.chmod(0o644)
    assert clinic.examine().one("map-file") == (
        "problem",
        f"The file {path} has the mode 0644, so every account can read the password in it.",
        f"chgrp postfix {path} && chmod 0640 {path}",
    )
    clinic.paste(clinic.examine().fix("map-file"))
    path.chmod(0o660)
    severity, found, fix = clinic.examine().one("map-file")
    assert (severity, fix) == ("problem", f"chown root {path} && chmod go-w {path}")
    assert found.startswith(f"The file {path} has the mode 0660 and the owner root: others than root could lead the ")
    clinic.paste(fix or "")
    assert clinic.examine().worse == set()
    other = path.with_name("write.cf")
    other.write_text(path.read_text())
    other.chmod(0o644)
    stage.configure(sql={**stage.config["sql"], "write_map_file": str(other)})
    assert [severity for severity, _, _ in clinic.examine().of("map-file")] == ["ok", "problem"]
    clinic.paste(f"chmod 0600 {other}")
    assert "map-file" not in clinic.examine().worse


@pytest.mark.parametrize("database", ["mysql"], indirect=True)
def test_a_query_that_finds_nothing_of_ours_is_told(practice: Practice, database: Database) -> None:
    clinic, stage = practice()
    database.execute("CREATE TABLE others (address varchar(99), goto varchar(99)) ENGINE=MyISAM")
    block = {"table": "others", "address_column": "address", "goto_column": "goto"}
    stage.configure(enabled=False, sql={"map_file": str(stage.map_file), **block})
    stage.start_watcher()
    report = clinic.examine()
    assert report.one("map-query")[:2] == (
        "warning",
        f"The query in {stage.map_file} reads from aliases, and the aliases are written to others: unless the one is a "
        "view of the other, no alias is live.",
    )
    assert report.one("database-engine")[1].startswith("The table has the engine MyISAM, which knows no transactions:")
    database.write_map(stage.map_file, MARKED.query, domain="example.net")
    assert clinic.examine().one("map-query")[1] == (
        f"By `domain` in {stage.map_file}, Postfix does not ask the map for addresses at runv.club: no alias is live."
    )


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_stands_between_a_file_and_those_who_ask_it(practice: Practice, database: Database) -> None:
    assert isinstance(database, SqliteDatabase)
    clinic, stage = practice()
    clinic.start(pablo="p@example.org")
    stage.mail.write_services("smtp inet n - n - - smtpd\ncleanup unix n - y - 0 cleanup\n")
    properties = (
        "IPAddressDeny=::/0 0.0.0.0/0\\nProtectSystem=strict\\nReadWritePaths=/var/lib/runv -/etc/postfix {}\\n"
    )
    directory = shlex.quote(str(clinic.programs.directory))

    def unit(more: str) -> None:
        asked = f"--property=IPAddress*) printf '{properties.format(more)}'; exit;;"
        units = f"for unit; do cat {directory}/unit-$unit; echo; done"
        clinic.programs.make(
            "systemctl", f"while [ $1 != -- ]; do case $1 in {asked} esac; shift; done; shift\n{units}"
        )

    unit("")
    database.path.chmod(0o444)
    report = clinic.examine()
    assert report.worse == {"walls", "chroot", "database-writable"}
    assert report.one("walls") == (
        "problem",
        "The unit runv-email-alias-watcher keeps the watcher from the database: it does not allow "
        f"{database.directory}.",
        "runv-admin-email-alias setup",
    )
    assert report.one("chroot")[0::2] == (
        "warning",
        f"postconf -e 'virtual_alias_maps = proxy:{stage.table}' && /bin/true",
    )
    assert report.one("database-writable")[1].startswith(f"The watcher may not write to {database.path}: root has no ")
    unit(str(database.directory))
    database.path.chmod(0o644)
    clinic.paste(report.fix("chroot"))
    assert clinic.examine().worse == set()


@pytest.mark.parametrize("database", ["pgsql"], indirect=True)
def test_a_socket_is_out_of_reach_of_a_chroot_and_a_host_elsewhere_of_the_unit(
    practice: Practice, database: Database
) -> None:
    assert isinstance(database, ServerDatabase)
    clinic, stage = practice()
    database.write_map(stage.map_file, MARKED.query, hosts=f"unix:{database.server.sockets}")
    stage.mail.write_services("smtp inet n - n - - smtpd\ncleanup unix n - y - 0 cleanup\n")
    stage.configure(enabled=False)
    stage.start_watcher()
    assert clinic.examine().one("chroot")[0] == "problem"
    database.write_map(stage.map_file, MARKED.query, hosts="10.255.255.1")
    clinic.programs.make("systemctl", "printf 'IPAddressDeny=0.0.0.0/0\\nIPAddressAllow=127.0.0.0/8\\n'")
    stage.configure(sql={**stage.config["sql"], "write_map_file": str(stage.map_file)})
    code = "import json\nfrom cli.doctor.checks import run_check\nfrom cli.doctor.database import sandbox\n"
    code += "from cli.server.facts import Facts\n"
    code += "from schemas.config import load_settings\nfacts = Facts(load_settings())\n"
    code += "print(json.dumps([list(each) for each in run_check(sandbox, facts)]))"
    found = stage.run([str(stage.installation.bin / "python"), "-c", code], env=clinic.path())
    ((code_, severity, message, fix),) = json.loads(found.stdout)
    assert (code_, severity, fix) == ("walls", "problem", "runv-admin-email-alias setup")
    assert message.endswith("it does not allow 10.255.255.1.")
