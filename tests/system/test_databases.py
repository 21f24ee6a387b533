"""Aliases in databases on Debian 13, by its own servers, libraries and Postfix, out of the service's sandbox."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ..docs.markdown import fences, indented, read, section
from ..sql.tables import ISPMAIL
from . import tree
from .conftest import Packages
from .server import DOMAIN, Server

pytestmark = pytest.mark.step

CONFIG = "/etc/runv-member-mail.json"
MAP = "/etc/postfix/{type}-virtual-aliases.cf"
WRITE_MAP = "/etc/runv-email-alias-write.cf"
PAGE = read("docs/in-a-database.md")
WHO_MAY_WRITE = section(PAGE, "Who may write")
ON_POSTGRESQL, ON_MARIADB = (block.text for block in fences(WHO_MAY_WRITE, "sql"))
MEMBERS = ("pablo", "maria", "ines")

_PATIENCE = """\
[Service]
TimeoutStopSec=2s
SendSIGKILL=yes
"""
"""By themselves they are given an hour to stop, see `machine.py` for what systemd may wait for in vain."""

_MAKE = """\
import sqlite3, sys
sqlite3.connect(sys.argv[1]).execute("CREATE TABLE aliases (address TEXT PRIMARY KEY, destination TEXT NOT NULL)")
"""


@pytest.fixture(scope="module")
def server(packages: Packages) -> Iterator[Server]:
    """A mail server with the package, on which PostgreSQL and MariaDB run as Debian sets them up."""
    with Server(tree.made_with_databases()) as server:
        for service in ("mariadb", "postgresql@"):
            server.put(f"/etc/systemd/system/{service}.service.d/patience.conf", _PATIENCE)
        server.prepare()
        server.install(packages.present)
        server.join(*MEMBERS)
        yield server


def put_maps(server: Server, kind: str, hosts: str) -> None:
    """Write Postfix's file, and the one for writing as the page has it, for a server of *kind* at *hosts*."""
    (writing,) = [block for block in indented(WHO_MAY_WRITE) if "password" in block]
    lines = [line.strip() for line in writing.splitlines() if not line.strip().startswith("hosts")]
    server.put(WRITE_MAP, "\n".join([f"hosts = {hosts}", *lines, ""]), 0o600)
    reading = {"hosts": hosts, "user": "postfix", "password": "secret", "dbname": "mail", "query": ISPMAIL.query}
    server.put(MAP.format(type=kind), "".join(f"{name} = {value}\n" for name, value in reading.items()), 0o640)
    server.run("chgrp", "postfix", MAP.format(type=kind))


def configure(server: Server, kind: str, **keys: Any) -> None:
    """Have aliases published there; the configuration is changed as an editor does it."""
    config = json.loads(server.read(CONFIG))
    block = {"map_file": MAP.format(type=kind), **keys}
    server.put(CONFIG, json.dumps({**config, "backend": f"postfix-{kind}", "sql": block}, indent=2))
    server.admin("setup", "--enable", "--yes")


def is_forwarded(server: Server, name: str, destination: str) -> None:
    """See that a member's alias is live once it is approved."""
    server.member(name, "request", destination)
    server.admin("approve", name)
    server.arrives(f"{name}@{DOMAIN}", destination)
    assert server.problems() == []


def faults(server: Server) -> dict[str, str]:
    """What the doctor finds amiss, with the command that mends it; forwarding without SRS is another matter."""
    found = server.asked("doctor")["verdicts"]
    return {each["code"]: each["mend"] for each in found if each["verdict"] != "ok" and each["code"] != "srs"}


def test_postgresql_is_published_to_by_tcp(server: Server) -> None:
    made = ";\n".join(ISPMAIL.make["pgsql"])
    reader = "CREATE ROLE postfix LOGIN PASSWORD 'secret'; GRANT SELECT ON virtual_aliases TO postfix;"
    server.run("createdb", "mail", user="postgres")
    server.run("psql", "--set=ON_ERROR_STOP=1", "mail", user="postgres", given=f"{made};{reader}{ON_POSTGRESQL}")
    put_maps(server, "pgsql", "127.0.0.1")
    configure(server, "pgsql", write_map_file=WRITE_MAP, constants={"domain_id": 7})
    is_forwarded(server, "pablo", "pablo@example.org")
    assert faults(server) == {}


def test_postgresql_is_published_to_by_its_socket(server: Server) -> None:
    (line,) = [block.strip() for block in indented(WHO_MAY_WRITE) if block.strip().startswith("local")]
    access = f"{line}\n{line.replace('runv_email_alias', 'postfix')}\n"
    server.sh(f"cd /etc/postgresql/*/main && printf '{access}' | cat - pg_hba.conf > new && cat new > pg_hba.conf")
    server.run("systemctl", "reload", "postgresql")
    put_maps(server, "pgsql", "unix:/var/run/postgresql")
    # Debian's Postfix asks out of a chroot, in which there is no such socket.
    server.sh(faults(server)["chroot"])
    is_forwarded(server, "pablo", "pablo@example.net")
    server.admin("revoke", "pablo", "--reason", "It bounces.")
    assert "User unknown" in server.send(f"pablo@{DOMAIN}")


def test_mariadb_is_published_to(server: Server) -> None:
    made = ";\n".join(ISPMAIL.make["mysql"])
    reader = (
        "CREATE USER 'postfix'@'localhost' IDENTIFIED BY 'secret'; GRANT SELECT ON mail.* TO 'postfix'@'localhost';"
    )
    server.run("mariadb", given=f"CREATE DATABASE mail; USE mail; {made}; {reader}")
    server.run("mariadb", "mail", given=ON_MARIADB)
    put_maps(server, "mysql", "127.0.0.1")
    configure(server, "mysql", write_map_file=WRITE_MAP, constants={"domain_id": 7})
    is_forwarded(server, "maria", "maria@example.org")
    put_maps(server, "mysql", "unix:/run/mysqld/mysqld.sock")
    server.sh(faults(server)["chroot"])
    is_forwarded(server, "maria", "maria@example.net")


def test_a_file_of_sqlite_outside_of_the_sandbox_is_let_in(server: Server) -> None:
    server.run("mkdir", "/srv/mail")
    server.run("python3", "-c", _MAKE, "/srv/mail/aliases.sqlite")
    (message,) = [block for block in indented(section(PAGE, "SQLite")) if "dbpath" in block]
    lines = [line.strip() for line in message.replace("/etc/postfix/", "/srv/mail/").splitlines()]
    server.put(MAP.format(type="sqlite"), "\n".join([*lines, ""]))
    configure(server, "sqlite")
    assert "/srv/mail" in server.sh("systemctl show --property=ReadWritePaths --value runv-email-alias-watcher")
    is_forwarded(server, "ines", "ines@example.org")
    # What was in the other database before is here as well.
    server.arrives(f"maria@{DOMAIN}", "maria@example.net")
    assert faults(server) == {}
