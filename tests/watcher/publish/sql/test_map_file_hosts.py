"""The hosts of a map are those that Postfix would ask, and no password of a connection string is shown."""

import pytest

from watcher.publish.sql.map_file import HostError, Secret, SqlHost, SqlType, parse_hosts


def inet(name: str, port: int | None = None, text: str | None = None) -> SqlHost:
    return SqlHost(text=text or f"inet:{name}" + (f":{port}" if port else ""), name=name, port=port)


def unix(path: str) -> SqlHost:
    return SqlHost(text=f"unix:{path}", socket=path)


LOCAL = SqlHost(text="localhost", name="localhost")


@pytest.mark.parametrize(
    ("kind", "value", "hosts"),
    [
        ("mysql", "", [LOCAL]),
        ("mysql", "localhost:3307 inet:LocalHost unix:localhost", [LOCAL, LOCAL, LOCAL]),
        ("mysql", "unix:/run/mysqld/mysqld.sock", [unix("/run/mysqld/mysqld.sock")]),
        ("mysql", "127.0.0.1,inet:db.test:3307\r\n\tten", [inet("127.0.0.1"), inet("db.test", 3307), inet("ten")]),
        ("mysql", "db:mysql", [inet("db", 3306)]),
        ("mysql", "[::1]:33 inet:[::1]", [inet("::1", 33, "inet:[::1]:33"), inet("::1", None, "inet:[::1]")]),
        ("mysql", "2001:db8::2", [inet("2001:db8::2", None, "inet:[2001:db8::2]")]),
        ("pgsql", "", [inet("localhost")]),
        ("pgsql", "localhost:5433", [inet("localhost", 5433)]),
        ("pgsql", "unix:/run/postgresql /srv/pg", [unix("/run/postgresql"), unix("/srv/pg")]),
        ("pgsql", "unix:db:5433", [inet("db", 5433)]),
        ("pgsql", "unix:", [SqlHost(text="unix:")]),
    ],
)  # fmt: skip
def test_hosts_are_understood_as_postfix_understands_them(kind: SqlType, value: str, hosts: list[SqlHost]) -> None:
    assert parse_hosts(value, kind) == tuple(hosts)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://mail@db.example.org/mail?sslmode=require", "postgresql://db.example.org/mail"),
        ("postgresql://mail:hunter2@db:5433/mail", "postgresql://db:5433/mail"),
        ("postgres://mail:hunter2@[::1]:5433/mail", "postgresql://[::1]:5433/mail"),
        ("postgresql:///mail?host=/run/postgresql&password=hunter2", "postgresql:///mail"),
        ("postgresql://mail:hun/ter2@db/mail", "postgresql://..."),
        ("postgresql://mail:hun?ter2@db/mail", "postgresql://db/mail"),
        ("postgresql://mail:hunter2", "postgresql://..."),
        ("postgresql://db/mail?password=hunter2@x", "postgresql://..."),
    ],
)
def test_a_connection_string_is_kept_whole_and_shown_without_its_password(uri: str, shown: str) -> None:
    (host,) = parse_hosts(uri, "pgsql")
    assert (host.text, host.uri, host.name, host.socket) == (shown, Secret(uri), None, None)
    assert "ter2" not in repr(host)


@pytest.mark.parametrize(
    ("kind", "value", "trouble"),
    [
        ("mysql", "db postgresql://mail:hunter2@db/mail", "host 2 is neither `inet:host:port` nor `unix:/path`"),
        ("mysql", "mail:hunter2@db", "host 1 has a port that is none"),
        ("mysql", "hunter2@db", "host 1 is neither `inet:host:port` nor `unix:/path`"),
        ("mysql", "unix:hunter2", "host 1 is no path from / of a socket"),
        ("pgsql", "db:0", "host 1 has a port that is none"),
        ("pgsql", "db:65536", "host 1 has a port that is none"),
        ("pgsql", "db:no-such-service-at-all", "host 1 has a port that is none"),
        ("pgsql", "host=db", "host 1 is neither `inet:host:port` nor `unix:/path`"),
        ("pgsql", "\x1b[2J", "host 1 is not plain text in UTF-8"),
        ("mysql", "unix:/a\udcff", "host 1 is not plain text in UTF-8"),
    ],
)
def test_a_host_of_no_form_is_told_by_its_number_and_not_shown(kind: SqlType, value: str, trouble: str) -> None:
    with pytest.raises(HostError) as refusal:
        parse_hosts(value, kind)
    assert str(refusal.value) == trouble


def test_a_secret_shows_nothing_of_itself() -> None:
    secret = Secret("hunter2")
    assert {str(secret), repr(secret), f"{secret}", f"{secret!r:>3}"} == {"***"}
    assert secret == Secret("hunter2")
    assert secret != Secret("hunter3")
    assert len({secret, Secret("hunter2")}) == 1
