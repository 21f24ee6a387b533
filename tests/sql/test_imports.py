"""What leads to a database is loaded only where one is configured: without one, nothing of it has to be installed."""

import json

import pytest

from ..e2e.acts import entries, write_registry
from ..support.site import Site

_LIBRARIES = ("sqlalchemy", "psycopg", "pymysql", "sqlite3")

_SCRIPT = """
import json, sys
from watcher.main import command
libraries = set(json.loads(sys.argv.pop()))
try:
    command(["--once"])
finally:
    print(json.dumps(sorted(libraries & set(sys.modules))))
"""


@pytest.mark.needs("root", "accounts")
def test_a_watcher_of_files_loads_no_library_of_databases(site: Site) -> None:
    write_registry(site, entries(1))

    done = site.run([str(site.installation.python), "-c", _SCRIPT, json.dumps(_LIBRARIES)])

    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert site.map_lookup("member00@runv.club") == "member00@example.org"
