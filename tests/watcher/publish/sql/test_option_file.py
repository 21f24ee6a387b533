"""What a client of MariaDB reads besides the map file, where that names an option file; its own program tells how."""

import subprocess
from pathlib import Path

import pytest

from tests.support.mailconfig import PATH
from watcher.publish.sql.map_file import SqlMap, SqlMapError
from watcher.publish.sql.option_file import options_of


def read(path: Path, group: str | None = "client") -> dict[str, str]:
    return dict(options_of(SqlMap("/map.cf", "mysql", option_file=str(path), option_group=group)))


def written(directory: Path, text: str) -> Path:
    path = directory / "my.cnf"
    path.write_text(text)
    return path


def understood(path: Path, *groups: str) -> dict[str, str]:
    """What MariaDB's own programs understand, of which the last one counts."""
    command = ["my_print_defaults", f"--defaults-file={path}", *groups]
    message = subprocess.check_output(command, env={"PATH": PATH}, timeout=30, text=True)
    pairs = [line.removeprefix("--").partition("=") for line in message.splitlines()]
    return {name.replace("-", "_"): value for name, _, value in pairs}


@pytest.mark.needs("mariadb-server")
@pytest.mark.parametrize(
    "line",
    [
        "password = 's#cret'",
        'password = "ç%(x)s"',
        "password=a=b",
        "password",
        "password =",
        "password = 'it''s'",
        "password = a'b#c'd",
        'password = "it\'s"',
        r"password = a\sb\tc\\d\'e\xf",
        r"password = 'a\'#b'",
        "SSL_CA = /ca.pem",
        "  user   =   a b  ",
    ],
)
def test_a_line_is_understood_as_by_mariadbs_own_programs(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, f"# mail\n[client]\n{line}\n; end\n")

    assert read(path) == {name.lower(): value for name, value in understood(path, "client").items()}
    assert len(read(path)) == 1


@pytest.mark.parametrize(
    ("written_so", "value"),
    [("s#cret", "s#cret"), ("'a' # b", "a' # b"), ("'open", "open"), ("'", ""), (r"a\#", r"a\#")],
)
def test_a_line_is_understood_as_by_the_library_of_postfix(tmp_path: Path, written_so: str, value: str) -> None:
    """Which knows no comments behind a value."""
    assert read(written(tmp_path, f"[client]\npassword = {written_so}\n")) == {"password": value}


@pytest.mark.needs("mariadb-server")
@pytest.mark.parametrize(
    "text",
    [
        "[mail]\nuser = m\n[client]\nuser = c\nport = 1\n[client-server]\nport = 2\n[mysqld]\nport = 9\n",
        "[client]\nport = 3\n[mail]\nuser = m\n[ client-mariadb ]\nport = 4\n[client ]\nport = 5\n[o]\nuser = o\n",
        "[mail] # of Postfix\nuser = m\n\n[client]x\nport = 1\n",
    ],
)
def test_the_last_of_several_groups_counts_as_with_mariadb(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    every = ("client", "client-server", "client-mariadb")
    assert read(path) == read(path, None) == understood(path, *every)
    assert read(path, "mail") == understood(path, *every, "mail")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("tls-ca = /x", "ssl_ca"),
        ("TLS_CAPATH = /x", "ssl_capath"),
        ("tls-enforce = /x", "ssl_enforce"),
        ("tls-verify-peer = /x", "ssl_verify_server_cert"),
        ("tls-version = /x", "tls_version"),
    ],
)
def test_what_has_two_names_is_given_one(tmp_path: Path, line: str, name: str) -> None:
    assert read(written(tmp_path, f"[client]\nssl-ca = /y\n{line}\n")) == {"ssl_ca": "/y"} | {name: "/x"}


def test_without_a_file_it_says_nothing() -> None:
    assert options_of(SqlMap("/map.cf", "mysql")) == {}


@pytest.mark.parametrize(
    "text", ["password = geheim\n[client]\n", "\n!includedir /etc/geheim\n", "[client]\n[geheim\n"]
)
def test_what_is_not_understood_is_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(SqlMapError, match=r"my\.cnf that /map\.cf names is not understood in line \d:") as raised:
        read(written(tmp_path, text))
    assert "geheim" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SqlMapError, match=r"absent\.cnf that /map\.cf names cannot be read: No such file"):
        read(tmp_path / "absent.cnf")


@pytest.mark.parametrize("name", ["ssl-fp", "tls_fp", "ssl-fplist", "ssl-fp-list", "ssl_crl", "tls-crlpath"])
def test_what_cannot_be_checked_of_a_server_is_not_passed_over(tmp_path: Path, name: str) -> None:
    with pytest.raises(SqlMapError, match=rf"has a line `{name.replace('-', '_')}`.*ssl_ca") as raised:
        read(written(tmp_path, f"[client]\n{name} = geheim\n"))
    assert "geheim" not in str(raised.value)
