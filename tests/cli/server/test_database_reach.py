"""What the connections of a map have to reach."""

from pathlib import Path

import pytest

from cli.server.database import Reach, reach_of
from watcher.publish.sql.map_file import SqlType, parse_sql_map


def reach(kind: SqlType, text: str) -> Reach:
    return reach_of(parse_sql_map(text.encode(), "/etc/x.cf", kind))


@pytest.mark.parametrize(
    ("kind", "hosts", "names", "sockets", "loopback"),
    [
        ("mysql", "127.0.0.1", set(), False, True),
        ("mysql", "localhost", set(), True, False),
        ("mysql", "unix:/run/mysqld/mysqld.sock inet:10.0.0.2:3307", {"10.0.0.2"}, True, False),
        ("mysql", "", set(), True, False),
        ("mysql", "db.example [2001:db8::1]:3306 ::1", {"db.example", "2001:db8::1"}, False, True),
        ("pgsql", "localhost", set(), False, True),
        ("pgsql", "/run/postgresql", set(), True, False),
        ("pgsql", "postgresql://u:p%40ss@10.0.0.2:5432/mail?sslmode=require", {"10.0.0.2"}, False, False),
        ("pgsql", "postgresql://db.example/mail postgresql://127.0.0.1/mail", {"db.example"}, False, True),
        ("pgsql", "postgresql:///mail", set(), True, False),
        ("pgsql", "postgresql://%2Frun%2Fpostgresql/mail", set(), True, False),
        ("pgsql", "postgresql://u@/mail?host=10.0.0.3", {"10.0.0.3"}, False, False),
        ("pgsql", "postgresql://[2001:db8::1]:5432/mail", {"2001:db8::1"}, False, False),
    ],
)
def test_hosts_and_sockets(kind: SqlType, hosts: str, names: set[str], sockets: bool, loopback: bool) -> None:
    found = reach(kind, f"hosts = {hosts}\nuser = u\npassword = p\ndbname = mail\n")
    assert found == Reach(frozenset(names), sockets, loopback, None)


def test_an_option_file_may_name_the_host(tmp_path: Path) -> None:
    own = tmp_path / "my.cnf"
    own.write_text("[client]\nhost = 10.0.0.4\n")
    found = reach("mysql", f"hosts = localhost 10.0.0.2\ndbname = mail\noption_file = {own}\n")
    assert found == Reach(frozenset({"10.0.0.2", "10.0.0.4"}), sockets=False, loopback=False, file=None)


def test_addresses_are_told_only_where_every_host_is_one() -> None:
    assert reach("mysql", "hosts = 10.0.0.2 10.0.0.3\ndbname = d\n").addresses == frozenset({"10.0.0.2", "10.0.0.3"})
    assert reach("mysql", "hosts = 10.0.0.2 db.example\ndbname = d\n").addresses is None
    assert reach("mysql", "hosts = localhost\ndbname = d\n").addresses == frozenset()


def test_a_file_is_told() -> None:
    assert reach("sqlite", "dbpath = /srv/mail/x.sqlite\n") == Reach(frozenset(), False, False, "/srv/mail/x.sqlite")
