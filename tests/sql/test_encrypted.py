"""A connection that is to be encrypted is, and leads to the right server, or there is none.

It is `tls_*` of mysql_table(5) that ask for it, and libpq's `sslmode` in a connection string of pgsql_table(5).
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from ..e2e.acts import activate, await_problem, await_well, entries, publish, write_registry
from ..support.databases import MariaDBDatabase, PostgreSQLDatabase, ServerDatabase
from ..support.install import Installation
from ..support.mariadb import MariaDB
from ..support.needs import require
from ..support.postgresql import PostgreSQL
from .certificates import Authority
from .kinds import ON_SERVERS, on
from .stage import Stage
from .tables import MARKED

_TOLD = "cannot be encrypted as that file asks"
_NAMED, _ELSEWHERE = "127.0.0.1", "127.0.0.2"
"""Where both servers listen; their certificates are for the first."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom the clients believe."""
    require("root", "openssl")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def mariadb(authority: Authority) -> Iterator[MariaDB]:
    """One with a certificate."""
    require("mariadb-server")
    with closing(MariaDB(addresses=(_NAMED, _ELSEWHERE))) as server:
        certificate, key = authority.vouch(server.root, "server", address=_NAMED, account=server.account)
        server.start(f"--ssl-ca={authority.copied(server.root)}", f"--ssl-cert={certificate}", f"--ssl-key={key}")
        yield server


@pytest.fixture(scope="module")
def postgresql(authority: Authority) -> Iterator[PostgreSQL]:
    """One with a certificate, that lets nobody in without encryption."""
    require("postgresql")
    with closing(PostgreSQL(addresses=(_NAMED, _ELSEWHERE))) as server:
        certificate, key = authority.vouch(server.root, "server", address=_NAMED, account=server.account)
        access = server.data / "pg_hba.conf"
        access.write_text(access.read_text().replace("host all all", "hostssl all all"))
        files = {"ssl_cert_file": certificate, "ssl_key_file": key, "ssl_ca_file": authority.copied(server.root)}
        server.start("--ssl=on", *(f"--{name}={value}" for name, value in files.items()))
        yield server


@pytest.fixture
def believed(authority: Authority, stage: Stage) -> Path:
    """The authority's certificate, where the server has it."""
    return authority.copied(stage.paths.postfix)


@pytest.fixture
def encrypted(on_server: ServerDatabase) -> ServerDatabase:
    """A database whose account is let in by encrypted connections alone."""
    if on_server.kind == "mysql":
        on_server.server.execute(f"ALTER USER '{on_server.writer.user}'@'%' REQUIRE SSL")
    return on_server


def trust(stage: Stage, database: ServerDatabase, authority: Path, path: str = _NAMED) -> None:
    """Have the map file lead to *path*, by encryption, and to a server for which *authority* vouches."""
    if database.kind == "mysql":
        wanted = {"hosts": f"{path}:{database.server.port}", "tls_CAfile": str(authority), "tls_verify_cert": "yes"}
    else:
        user, password = database.writer
        host = f"postgresql://{user}:{quote(password, safe='')}@{path}:{database.server.port}/{database.name}"
        wanted = {"hosts": f"{host}?sslmode=verify-full&sslrootcert={quote(str(authority), safe='')}"}
    database.write_map(stage.map_file, MARKED.query, **wanted)


@ON_SERVERS
def test_what_is_written_and_looked_up_is_encrypted(stage: Stage, encrypted: ServerDatabase, believed: Path) -> None:
    trust(stage, encrypted, believed)
    stage.accounts.add("pablo")
    stage.start_watcher()

    activate(stage, "pablo", "p@example.org")

    assert stage.map_lookup("pablo@runv.club") == "p@example.org"


@ON_SERVERS
def test_a_server_that_nobody_vouches_for_is_not_believed(
    stage: Stage, encrypted: ServerDatabase, believed: Path, tmp_path: Path
) -> None:
    trust(stage, encrypted, Authority(tmp_path).copied(tmp_path))
    stage.start_watcher()
    write_registry(stage, entries(1))

    problem = await_problem(stage, "publish-failed")

    assert _TOLD in problem
    assert "certificate verify failed" in problem
    assert stage.rows == []
    trust(stage, encrypted, believed)
    await_well(stage)
    assert len(stage.rows) == 1


@ON_SERVERS
def test_a_server_with_somebody_elses_certificate_is_not_believed(
    stage: Stage, encrypted: ServerDatabase, believed: Path
) -> None:
    trust(stage, encrypted, believed, _ELSEWHERE)
    stage.start_watcher()
    write_registry(stage, entries(1))

    assert _TOLD in await_problem(stage, "publish-failed")
    assert stage.rows == []


@on("mysql")
def test_whom_the_machine_believes_has_to_vouch_for_the_right_server(
    stage: Stage, on_server: ServerDatabase, believed: Path
) -> None:
    """Anybody can have a certificate for a name of their own."""
    asked = {"tls_verify_cert": "yes"}
    on_server.write_map(stage.map_file, MARKED.query, hosts=f"{_ELSEWHERE}:{on_server.server.port}", **asked)
    # Postfix's own program is not told of whom to believe.
    stage.configure(check_maps=False)
    stage.start_watcher(env={"SSL_CERT_FILE": str(believed)})
    write_registry(stage, entries(1))

    assert _TOLD in await_problem(stage, "publish-failed")
    assert stage.rows == []

    on_server.write_map(stage.map_file, MARKED.query, **asked)
    await_well(stage)
    assert len(stage.rows) == 1


@on("mysql")
@pytest.mark.parametrize("line", ["ssl-ca = {authority}", "tls-ca = {authority}", "ssl-enforce = 1", "tls-enforce = 1"])
def test_encryption_may_be_asked_for_by_an_option_file(
    stage: Stage, encrypted: ServerDatabase, believed: Path, line: str
) -> None:
    own = stage.paths.postfix / "my.cnf"
    own.write_text(f"[client]\n{line.format(authority=believed)}\n")
    encrypted.write_map(stage.map_file, MARKED.query, option_file=str(own))
    stage.start_watcher()

    publish(stage, entries(1))

    assert stage.map_lookup("member00@runv.club") == "member00@example.org"


@ON_SERVERS
def test_a_server_that_speaks_in_the_clear_is_told_nothing(
    installation: Installation, authority: Authority, kind: str, tmp_path: Path
) -> None:
    """Whoever is in between could pass for one, and ask for the password."""
    ca = authority.copied(tmp_path)
    with (
        MariaDB() if kind == "mysql" else PostgreSQL() as server,
        MariaDBDatabase(server) if isinstance(server, MariaDB) else PostgreSQLDatabase(server) as database,
        Stage(installation, database, MARKED) as stage,
    ):
        trust(stage, database, ca)
        stage.start_watcher()
        write_registry(stage, entries(1))

        assert _TOLD in await_problem(stage, "publish-failed")
        assert stage.rows == []


@on("mysql")
def test_a_certificate_may_say_who_we_are(
    stage: Stage, on_server: ServerDatabase, believed: Path, authority: Authority
) -> None:
    on_server.server.execute(f"ALTER USER '{on_server.writer.user}'@'%' REQUIRE SUBJECT '/CN=watcher'")
    trust(stage, on_server, believed)
    stage.start_watcher()
    write_registry(stage, entries(1))
    assert "does not let" in await_problem(stage, "publish-failed")

    certificate, key = authority.vouch(stage.paths.postfix, "watcher")
    own = {"tls_CAfile": str(believed), "tls_cert_file": str(certificate), "tls_key_file": str(key)}
    on_server.write_map(stage.map_file, MARKED.query, **own)

    await_well(stage)
    assert stage.map_lookup("member00@runv.club") == "member00@example.org"


@on("mysql")
def test_by_the_socket_no_certificate_is_asked_for(
    stage: Stage, on_server: ServerDatabase, mariadb: MariaDB, believed: Path
) -> None:
    """It is for the name of a machine."""
    own = {"hosts": f"unix:{mariadb.socket}", "tls_CAfile": str(believed), "tls_verify_cert": "yes"}
    on_server.write_map(stage.map_file, MARKED.query, **own)
    stage.start_watcher()

    publish(stage, entries(1))

    assert len(stage.rows) == 1
