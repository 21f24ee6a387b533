"""The drop-in that lets the watcher reach a database which its unit keeps it from."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.server.database import drop_in, hidden_file
from schemas.config import Config, parse_config

from .conftest import Ground

MARK = "# Made by `runv-admin-email-alias setup`, which keeps it in line with the database in the config.\n[Service]\n"
NAMED = "# A host is given by its name, whose address may become another, and has to be asked of a name server.\n"


def config(directory: Path, backend: str, text: str, write: str | None = None) -> Config:
    block = {"map_file": str(directory / "read.cf")}
    (directory / "read.cf").write_text(text)
    if write is not None:
        block["write_map_file"] = str(directory / "write.cf")
        (directory / "write.cf").write_text(write)
    return parse_config(json.dumps({"backend": f"postfix-{backend}", "sql": block}).encode(), "x")


@pytest.mark.parametrize(
    ("backend", "text", "wanted"),
    [
        ("mysql", "hosts = 127.0.0.1\ndbname = d\n", None),
        ("mysql", "hosts = localhost unix:/run/mysqld/mysqld.sock\ndbname = d\n", None),
        ("pgsql", "hosts = 10.0.0.3 10.0.0.2:5433 ::1\ndbname = d\n", "IPAddressAllow=10.0.0.2 10.0.0.3\n"),
        ("pgsql", "hosts = 10.0.0.3 db.example\ndbname = d\n", f"{NAMED}IPAddressAllow=any\n"),
        ("sqlite", "dbpath = /etc/postfix/aliases.sqlite\n", None),
        ("sqlite", "dbpath = /etc/postfix-aliases/x.sqlite\n", "ReadWritePaths=/etc/postfix-aliases\n"),
        ("sqlite", "dbpath = /srv/100% mail/x.sqlite\n", 'ReadWritePaths="/srv/100%% mail"\n'),
    ],
)
def test_what_the_unit_keeps_it_from_and_nothing_else_is_opened(
    tmp_path: Path, backend: str, text: str, wanted: str | None
) -> None:
    assert drop_in(config(tmp_path, backend, text)) == (None if wanted is None else MARK + wanted)


@pytest.mark.parametrize(
    ("dbpath", "found"),
    [
        ("/home/pablo/x.sqlite", "/home/pablo/x.sqlite"),
        ("/root/x.sqlite", "/root/x.sqlite"),
        ("/homes/x.sqlite", None),
        ("/var/lib/runv/x.sqlite", None),
    ],
)
def test_what_no_drop_in_opens_is_found(tmp_path: Path, dbpath: str, found: str | None) -> None:
    assert hidden_file(config(tmp_path, "sqlite", f"dbpath = {dbpath}\n")) == found


def test_both_files_count(tmp_path: Path) -> None:
    found = config(tmp_path, "mysql", "hosts = 10.0.0.2\ndbname = d\n", "hosts = 10.0.0.1\ndbname = d\n")
    assert drop_in(found) == f"{MARK}IPAddressAllow=10.0.0.1 10.0.0.2\n"


def test_it_comes_goes_and_follows_the_database(ground: Ground) -> None:
    path = ground.etc / "systemd" / "system" / "runv-email-alias-watcher.service.d" / "database.conf"
    file = ground.paths.postfix / "pgsql.cf"

    def run(**options: Any) -> list[str]:
        done = ground.run_below(**options)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    file.write_text("hosts = 10.0.0.2\nuser = u\npassword = hunter2\ndbname = mail\n")
    ground.site.configure(backend="postfix-pgsql", sql={"map_file": str(file)})
    assert run(dry_run=True) == [
        f"Would write {path}, which lets the watcher reach the database.",
        "Nothing was changed.",
    ]
    assert not path.exists()
    assert run() == [f"Wrote {path}, which lets the watcher reach the database."]
    assert path.read_text() == f"{MARK}IPAddressAllow=10.0.0.2\n"
    assert run() == ["Nothing to do: everything is set up."]
    file.write_text("hosts = 10.0.0.4\nuser = u\npassword = hunter2\ndbname = mail\n")
    assert run() == [f"Wrote {path}, which lets the watcher reach the database."]
    assert path.read_text() == f"{MARK}IPAddressAllow=10.0.0.4\n"
    ground.site.configure(backend="postfix-hash")
    assert run() == [f"Removed {path}, which let the watcher reach a database that it does not use."]
    assert not path.exists()
    path.write_text("# mine\n")
    assert run() == ["Nothing to do: everything is set up."]
    ground.site.configure(backend="postfix-pgsql")
    done = ground.run_below()
    assert done.stderr == (
        f"Warning: {path} is not of this program's making and was left alone. It has to let the watcher reach the "
        "database.\n"
    )
    assert path.read_text() == "# mine\n"


def test_a_watcher_that_runs_is_started_anew_behind_the_other_walls(ground: Ground) -> None:
    file = ground.paths.postfix / "pgsql.cf"
    file.write_text("hosts = 10.0.0.2\ndbname = mail\n")
    watcher = ground.site.start_watcher()
    ground.site.configure(enabled=False, backend="postfix-pgsql", sql={"map_file": str(file)})
    shows = f'echo "$*" >> {ground.notes}\nif [ "$1" = show ]; then echo {watcher.process.pid}; fi\n'
    ground.program("systemctl", shows)
    before = "from cli.server import systemd; from cli.setup import sandbox\n"
    before += "systemd.booted = lambda: True\nsandbox._has_group = lambda pid, group: True"
    done = ground.run_below(before=before)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == [
        "systemd has read its units again.",
        "Restarted the watcher: its walls are those for this database now.",
    ]
    assert ground.asked[-1] == "try-restart runv-email-alias-watcher"
    assert ground.run_below(before=before).stdout == "Nothing to do: everything is set up.\n"
