"""What libpq says of a connection string that it does not understand tells nobody the password in it."""

from pathlib import Path

import pytest

from schemas.sql_block import Database as Given
from watcher.publish.sql.database import Database
from watcher.publish.sql.errors import DatabaseError


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://u:pa%zzword7@127.0.0.1:1/db",
        "postgresql://u:x@127.0.0.1:1/db?password=pa%zzword7",
        "postgresql://u:x@127.0.0.1:1/db?sslpassword=pa%zzword7&connect_timeout=1",
        "postgresql://u:zzword7@127.0.0.1:99999999/db",
        "postgresql://u:zzword7@[::1/db",
        "postgresql://u:pass/zzword7@127.0.0.1:1/db",
        "postgresql://u:pass@zzword7@127.0.0.1:1/db",
        "postgresql://u:pass#zzword7@127.0.0.1:1/db",
    ],
)
def test_a_password_is_in_no_complaint_about_a_connection_string(tmp_path: Path, uri: str) -> None:
    path = tmp_path / "aliases.cf"
    path.write_text(f"hosts = {uri}\nquery = SELECT goto FROM aliases WHERE address = '%s'\n")
    database = Database("pgsql", Given(map_file=str(path)))

    with pytest.raises(DatabaseError) as raised, database.session(2, writing=True):
        pass

    assert str(path) in str(raised.value)
    assert "zzword7" not in str(raised.value)
