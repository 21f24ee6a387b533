"""Postfix's file of a map in a database: read as Postfix reads it, and never shown with its password."""

import os
import re
import tempfile
from pathlib import Path

import pytest

from tests.cli.conftest import as_nobody
from tests.support.mailconfig import MailConfig
from tests.support.needs import require
from watcher.publish.sql.map_file import Secret, SqlHost, SqlMap, SqlMapError, SqlType, Tls, read_sql_map

WHOLE = """\
# As PostfixAdmin's documents have it
hosts = unix:/run/mysqld/mysqld.sock
  inet:10.0.0.2:3307
user = postfix
password = hun=ter2 # 'x'
dbname = mail
query = SELECT goto FROM alias
   WHERE address='%s' AND active = '1'
domain = runv.club, hash:/etc/postfix/domains
charset = utf8mb4
option_file = /etc/mysql/mail.cnf
option_group = mail
tls_CAfile = /etc/ssl/ca.pem
tls_CApath = /etc/ssl/certs
tls_cert_file = /etc/ssl/client.pem
tls_key_file = /etc/ssl/client.key
tls_ciphers = HIGH
tls_verify_cert = Yes
expansion_limit = 100
something_of_tomorrow = 1
"""


def read(folder: Path, content: str | bytes, kind: SqlType = "mysql") -> SqlMap:
    path = folder / "map.cf"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_sql_map(str(path), kind)


def refusal(folder: Path, content: str | bytes, kind: SqlType = "mysql") -> str:
    with pytest.raises(SqlMapError) as refused:
        read(folder, content, kind)
    return str(refused.value)


def test_everything_that_a_connection_takes_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, WHOLE) == SqlMap(
        path=str(tmp_path / "map.cf"),
        kind="mysql",
        hosts=(
            SqlHost("unix:/run/mysqld/mysqld.sock", socket="/run/mysqld/mysqld.sock"),
            SqlHost("inet:10.0.0.2:3307", name="10.0.0.2", port=3307),
        ),
        user="postfix",
        password=Secret("hun=ter2 # 'x'"),
        dbname="mail",
        query="SELECT goto FROM alias   WHERE address='%s' AND active = '1'",
        domains=("runv.club", "hash:/etc/postfix/domains"),
        charset="utf8mb4",
        option_file="/etc/mysql/mail.cnf",
        option_group="mail",
        tls=Tls("/etc/ssl/ca.pem", "/etc/ssl/certs", "/etc/ssl/client.pem", "/etc/ssl/client.key", "HIGH", True),
    )


def test_what_is_left_out_or_empty_has_postfixs_defaults(tmp_path: Path) -> None:
    bare = read(tmp_path, "dbname = mail\nuser =\npassword =\nresult_format =\n")
    assert bare == SqlMap(
        path=str(tmp_path / "map.cf"),
        kind="mysql",
        hosts=(SqlHost("localhost", name="localhost"),),
        dbname="mail",
        option_group="client",
    )
    assert read(tmp_path, "dbname = mail\noption_group =\n").option_group is None


def test_a_map_in_postgresql_has_its_own_parameters(tmp_path: Path) -> None:
    found = read(tmp_path, "hosts = db\ndbname = mail\nencoding = LATIN1\ncharset = x\ntls_CAfile = /ca\n", "pgsql")
    assert (found.charset, found.option_group, found.hosts) == ("LATIN1", None, (SqlHost("inet:db", name="db"),))


def test_a_connection_string_needs_no_dbname_beside_it(tmp_path: Path) -> None:
    assert read(tmp_path, "hosts = postgresql://mail@db/mail\n", "pgsql").dbname is None
    message = refusal(tmp_path, "hosts = postgresql://mail@db/mail, db\n", "pgsql")
    assert message == f"In the map file {tmp_path}/map.cf, `dbname` is missing. Mend it, see pgsql_table(5)."


def test_a_map_in_sqlite_needs_a_file_and_has_no_hosts(tmp_path: Path) -> None:
    found = read(tmp_path, "dbpath = /var/lib/mail.db\nhosts = @@@\n", "sqlite")
    assert (found.dbpath, found.hosts, found.option_group) == ("/var/lib/mail.db", (), None)


@pytest.mark.parametrize("kind", ["mysql", "pgsql", "sqlite"])
def test_the_old_form_becomes_the_query_that_postfix_makes_of_it(tmp_path: Path, kind: SqlType) -> None:
    head = "dbname = mail\ndbpath = /mail.db\n"
    old = "table = alias\nselect_field = goto\nwhere_field = address\nadditional_conditions = AND active = '1'\n"
    assert read(tmp_path, head + old, kind).query == "SELECT goto FROM alias WHERE address = '%s' AND active = '1'"
    assert read(tmp_path, f"{head}{old}query = SELECT 1\n", kind).query == "SELECT 1"
    assert read(tmp_path, f"{head}table = alias\n", kind).query is None
    function = (
        "SELECT lookup('%s')" if kind == "pgsql" else "SELECT goto FROM alias WHERE address = '%s' AND active = '1'"
    )
    assert read(tmp_path, f"{head}{old}select_function = lookup\n", kind).query == function


ODD = """\
  lost
user = \tone
hosts = unix:/nowhere/a.sock, inet:127.0.0.1:1

# between
\t127.0.0.1:2
   # between
  localhost:3
dbname = first
dbname = mail
query = SELECT goto FROM alias
 WHERE address='%s' # no comment
password = p = q # r
"""


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_postfix_itself_reads_the_same(tmp_path: Path, kind: SqlType) -> None:
    require(f"postfix-{kind}")
    found = read(tmp_path, ODD, kind)
    # Postfix reads a file again and again until it has been left alone for two seconds; it can be told that it was.
    os.utime(found.path, (0, 0))
    mail = MailConfig(tmp_path / "postfix", maps="")
    said = mail.run("postmap", "-v", "-v", "-q", "a@b.c", f"{kind}:{found.path}").stderr
    values = dict(re.findall(rf"cfg_get_str: {re.escape(found.path)}: (\w+) = (.*)", said))
    assert found.password is not None
    assert (found.user, found.password.value) == (values["user"], values["password"])
    assert (found.dbname, found.query, found.result_format) == (values["dbname"], values["query"], "%s")
    asked = re.findall(r"host_init: host=(.*), port=(.*), type=(.*)", said)
    ours = [(host.name or host.socket, str(host.port or ""), "inet" if host.port else "unix") for host in found.hosts]
    if kind == "mysql":
        # Of `localhost` it notes the port, and goes to the socket.
        asked = [(host, "" if sort == "unix" else port, sort) for host, port, sort in asked]
    assert asked == ours
    assert asked[-1] == ("localhost", *(("", "unix") if kind == "mysql" else ("3", "inet")))


@pytest.mark.parametrize(
    ("kind", "content", "trouble"),
    [
        ("mysql", "user = u\n", "`dbname` is missing"),
        ("sqlite", "dbname = x\n", "`dbpath` is missing"),
        ("sqlite", "dbpath = mail.db\n", "`dbpath` is no path from /"),
        ("mysql", "dbname = mail\nhosts = a b@c\n", "host 2 is neither `inet:host:port` nor `unix:/path`"),
        ("mysql", "dbname = mail\ntls_verify_cert = maybe\n", "`tls_verify_cert` is neither `yes` nor `no`"),
        ("pgsql", b"dbname = mail\nuser = caf\xe9\n", "`user` is not plain text in UTF-8"),
        ("mysql", "dbname = ma\x1bil\n", "`dbname` is not plain text in UTF-8"),
        ("mysql", "dbname = mail\nhunter2\n", "line 2 is not of the form `name = value`"),
    ],
)
def test_a_wrong_file_is_told_by_its_name_and_what_is_wrong(
    tmp_path: Path, kind: SqlType, content: str | bytes, trouble: str
) -> None:
    message = refusal(tmp_path, content, kind)
    assert message == f"In the map file {tmp_path}/map.cf, {trouble}. Mend it, see {kind}_table(5)."


def test_a_password_may_be_of_any_octets(tmp_path: Path) -> None:
    found = read(tmp_path, b"dbname = mail\npassword = caf\xe9\n")
    assert found.password is not None
    assert found.password.value.encode("utf-8", "surrogateescape") == b"caf\xe9"


NAMES = (
    "hosts",
    "user",
    "password",
    "dbname",
    "query",
    "domain",
    "charset",
    "tls_verify_cert",
    "option_file",
    "nothing",
)


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
@pytest.mark.parametrize("secret", ["hunter2", "hunter2@x:y", "postgresql://u:hunter2@h/d", "=hunter2", "hunter2\x1b"])
def test_a_password_is_shown_by_no_error_and_no_repr_wherever_it_was_put(
    tmp_path: Path, kind: SqlType, secret: str
) -> None:
    for name in NAMES:
        if (name, secret[:13]) != ("hosts", "postgresql://") or kind != "pgsql":
            assert "hunter2" not in refusal(tmp_path, f"password = {secret}\n{name} = {secret}\ndbname =\n", kind)
    for line in (secret.replace("=", ""), f"= {secret}", f"pass word = {secret}"):
        assert "hunter2" not in refusal(tmp_path, f"dbname = mail\n{line}\n", kind)
    shown = repr(read(tmp_path, f"dbname = mail\npassword = {secret}\n", kind))
    assert "hunter2" not in shown
    assert "password=***" in shown


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "missing.cf"
    with pytest.raises(SqlMapError) as refused:
        read_sql_map(str(missing), "mysql")
    assert str(refused.value) == (
        f"The map file {missing} cannot be read: No such file or directory (missing.cf). Name a file in the form of "
        "mysql_table(5), or mend this one."
    )
    with pytest.raises(SqlMapError, match="cannot be read: "):
        read_sql_map(str(tmp_path / "no" / "map.cf"), "mysql")
    with pytest.raises(SqlMapError, match="cannot be read: "):
        read_sql_map(str(tmp_path), "mysql")
    assert "cannot be read: " in refusal(tmp_path, "# \n" * 30000)


def test_a_link_is_followed_as_postfix_follows_it(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "real.cf").write_text("dbname = mail\n")
    link = tmp_path / "link.cf"
    link.symlink_to("kept/real.cf")
    found = read_sql_map(str(link), "mysql")
    assert (found.path, found.dbname) == (str(link), "mail")


def test_whoever_may_not_read_the_file_is_told_to_use_sudo() -> None:
    require("root")
    with tempfile.NamedTemporaryFile(suffix=".cf") as file, as_nobody(), pytest.raises(SqlMapError) as refused:
        read_sql_map(file.name, "mysql")
    assert str(refused.value).endswith(" It is for root, since it has a password: use sudo.")
