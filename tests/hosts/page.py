"""The set-up of docs/more-than-one-mail-host.md on two hosts of our own: its statements and files, our addresses."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..docs.markdown import fences, read
from ..support.install import Installation
from ..support.mailconfig import MailConfig
from ..support.postgresql import PostgreSQL
from ..support.site import Site
from .mail_host import MailHost
from .network import Host, Wire

_PAGE = read("docs/more-than-one-mail-host.md")
OF_POSTFIX, _OF_THE_WATCHER = (block.text for block in fences(_PAGE, "ini"))


@dataclass
class Pair:
    """Two mail hosts that ask one database.

    Attributes:
        wire: the two hosts.
        database: PostgreSQL on the first.
        site: the members, the registry and the watcher, on the first.
        first, second: the Postfix of each.
    """

    wire: Wire
    database: PostgreSQL
    site: Site
    first: MailHost
    second: MailHost

    def decide(self, name: str, destination: str, site: Site | None = None) -> None:
        """Let the member *name* ask for *destination*, and approve it."""
        site = site or self.site
        for done in (site.member(name, "request", destination), site.admin("approve", name)):
            assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have no watcher on the first host meanwhile."""
        assert self.site.watchers[-1].stop() == 0
        try:
            yield
        finally:
            self.wire.first.do(self.site.start_watcher)


@contextmanager
def set_up(installation: Installation) -> Iterator[Pair]:
    """Make it as the page says, with everything running."""
    with ExitStack() as made:
        wire = made.enter_context(Wire())
        database = PostgreSQL(addresses=("127.0.0.1", wire.first.address))
        made.callback(database.close)
        wire.first.do(database.start)
        database.execute("CREATE DATABASE mail")
        statements = [each for block in fences(_PAGE, "sql") for each in block.text.split(";") if each.strip()]
        database.execute(*statements, database="mail")
        site = made.enter_context(Site(installation, backend="postfix-pgsql"))
        configure(site, database_at((wire.first, database)))
        config = MailConfig(site.root / "second", maps="")
        put_map(config.directory / "members.cf", OF_POSTFIX, database_at((wire.first, database)))
        config.write(virtual_alias_maps=f"pgsql:{config.directory}/members.cf")
        hosts = [MailHost(wire.first, site.mail), MailHost(wire.second, config)]
        with ThreadPoolExecutor() as starting:
            first, second = starting.map(made.enter_context, hosts)
        wire.first.do(site.start_watcher)
        yield Pair(wire, database, site, first, second)


def configure(site: Site, hosts: str) -> None:
    """Write the files of *site* as the page has them, for a database at *hosts*."""
    (block,) = fences(_PAGE, "json")
    config = json.loads(block.text)
    places = {"map_file": site.paths.postfix, "write_map_file": site.paths.config.parent}
    for (key, directory), text in zip(places.items(), (OF_POSTFIX, _OF_THE_WATCHER), strict=True):
        path = directory / Path(config["sql"][key]).name
        put_map(path, text, hosts)
        config["sql"][key] = str(path)
    site.configure(**config)
    site.mail.write(virtual_alias_maps=f"pgsql:{config['sql']['map_file']}")


def database_at(*places: tuple[Host, PostgreSQL]) -> str:
    """How the files of maps call databases, each on its host."""
    return " ".join(f"inet:{host.address}:{database.port}" for host, database in places)


def put_map(path: Path, text: str, hosts: str) -> None:
    """Write the file of a map, with *hosts* in place of the page's and the mode that it asks for."""
    temporary = path.with_name(f".{path.name}")
    temporary.touch(0o600)
    shutil.chown(temporary, "root", "postfix")
    temporary.chmod(0o640)
    temporary.write_text(re.sub(r"^hosts = .*$", f"hosts = {hosts}", text, flags=re.MULTILINE), encoding="utf-8")
    os.rename(temporary, path)
