"""The inventory of the mail server: its packages, services and Postfix's settings, and this project itself."""

from __future__ import annotations

import os

import msgspec

from cli.discover.mail_files import MailFile, mail_files
from cli.messages import _
from cli.output import format_message
from cli.server import packages, systemd
from cli.server.facts import Unavailable, unless_unavailable
from cli.server.status import read_registry
from schemas.config import DEFAULT_PATH, PATH_VARIABLE, Config, Settings, load_settings
from schemas.program import installed_version
from schemas.status import is_running, read_status
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix, main_cf
from watcher.publish.postmap import SUFFIXES

PACKAGES = (
    "postfix",
    "postfix-cdb",
    "postfix-ldap",
    "postfix-lmdb",
    "postfix-mysql",
    "postfix-pcre",
    "postfix-pgsql",
    "postfix-sqlite",
    "dovecot-core",
    "dovecot-imapd",
    "roundcube",
    "roundcube-core",
    "rspamd",
    "clamav",
    "spamassassin",
    "postsrsd",
    "mariadb-server",
    "mysql-server",
    "postgresql",
)
"""Those that are listed whether or not they are installed."""
_MORE_PACKAGES = ("postfix*", "dovecot-*", "roundcube-*", "clamav-*", "postgresql-[0-9]*", "runv-email-alias")
SERVICES = ("postfix", "dovecot", "rspamd", "apache2", "nginx", "postsrsd", "runv-email-alias-watcher")
"""Likewise."""
_MORE_SERVICES = (
    "php*-fpm.service",
    "postfix@*.service",
    "clamav-daemon.service",
    "spamd.service",
    "spamassassin.service",
    "mariadb.service",
    "mysql.service",
    "postgresql.service",
    "postgresql@*.service",
)
PARAMETERS = (
    "myhostname",
    "mydomain",
    "mydestination",
    "virtual_alias_domains",
    "virtual_alias_maps",
    "virtual_mailbox_domains",
    "virtual_mailbox_maps",
    "relay_domains",
    "transport_maps",
    "sender_canonical_maps",
    "default_database_type",
)
"""None of these may hold a password: what a table of type mysql or pgsql needs stands in a file of its own."""


class Package(msgspec.Struct, frozen=True):
    """One of Debian's packages; without a *version* it is not installed."""

    name: str
    version: str | None


class Service(msgspec.Struct, frozen=True):
    """A unit of systemd, in its own words; see `cli.server.systemd.Unit`."""

    name: str
    load: str
    active: str
    enabled: str


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of Postfix.

    Attributes:
        value: as it is written.
        expanded: with each `$name` in it replaced.
        set: whether main.cf has it; else it is the default.
    """

    value: str
    expanded: str
    set: bool


class PostfixStack(msgspec.Struct, frozen=True, kw_only=True):
    """What Postfix says of itself; empty, or `None`, where it could not be asked."""

    version: str | None
    config_directory: str
    parameters: dict[str, Parameter]
    table_types: list[str]


class Ours(msgspec.Struct, frozen=True, kw_only=True):
    """What is set up; all but the first two are `None` where the configuration cannot be used.

    Attributes:
        version: of the program that says so.
        config: the configuration file, which may be absent: then the defaults hold.
        enabled: whether anything is published.
        backend: as in the configuration.
        map: as Postfix names it.
        domain: of the aliases.
        registry: the registry's path.
        active_aliases: how many aliases are active; `None` also where the registry cannot be read.
        watcher_running: whether the watcher is; `None` also where its status cannot be read.
    """

    version: str
    config: str
    enabled: bool | None = None
    backend: str | None = None
    map: str | None = None
    domain: str | None = None
    registry: str | None = None
    active_aliases: int | None = None
    watcher_running: bool | None = None


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What there is. A part of it that could not be asked is empty, and `not_asked` says why."""

    packages: list[Package]
    services: list[Service]
    postfix: PostfixStack
    files: list[MailFile]
    ours: Ours
    not_asked: list[Unavailable]


def take_inventory() -> Inventory:
    """Take stock of this machine; it never fails, since what cannot be asked is in `not_asked`."""
    not_asked: list[Unavailable] = []
    packages = installed_packages(not_asked)
    units = services(not_asked)
    postfix = postfix_stack(not_asked)
    ours = ourselves(not_asked)
    files = mail_files(postfix.config_directory, our_files(ours), not_asked)
    return Inventory(packages=packages, services=units, postfix=postfix, files=files, ours=ours, not_asked=not_asked)


def installed_packages(not_asked: list[Unavailable]) -> list[Package]:
    """Those of a mail server, and which of them are not installed; empty where Debian's database cannot be asked."""

    def ask() -> list[Package]:
        found = packages.installed([*PACKAGES, *_MORE_PACKAGES])
        named = [Package(name, found.get(name)) for name in PACKAGES]
        return named + [Package(name, found[name]) for name in sorted(found.keys() - set(PACKAGES))]

    return unless_unavailable(_("Debian's packages"), ask, [], not_asked)


def services(not_asked: list[Unavailable]) -> list[Service]:
    """Those of a mail server; of databases, of other filters and of PHP only those that there are."""

    def ask() -> list[Service]:
        try:
            named = systemd.units([f"{name}.service" for name in SERVICES])
            # A pattern finds what is loaded; what is stopped and switched off is not, and is found by its file.
            more = dict.fromkeys([*_MORE_SERVICES, *systemd.unit_files(_MORE_SERVICES)])
            found = {unit.name: unit for unit in systemd.units([*more]) if unit.there}
        except CommandError as error:
            raise error if systemd.booted() else CommandError(_("This machine is not run by systemd.")) from error
        others = [found[name] for name in sorted(found.keys() - {unit.name for unit in named})]
        return [Service(*unit) for unit in [*named, *others]]

    return unless_unavailable(_("The services"), ask, [], not_asked)


def postfix_stack(not_asked: list[Unavailable]) -> PostfixStack:
    """What Postfix says of itself."""
    postfix, path = Postfix(), main_cf()

    def ask() -> tuple[dict[str, Parameter], list[str]]:
        # Without it postconf ends with an error that names all that was asked for.
        if _is_missing(path):
            raise CommandError(format_message(_("Postfix has no configuration: {path} is not there."), path=path))
        values = postfix.values(PARAMETERS)
        expanded = postfix.values(PARAMETERS, expanded=True)
        given = postfix.set_in_main_cf(PARAMETERS)
        parameters = {name: Parameter(values[name], expanded.get(name, ""), name in given) for name in values}
        return parameters, sorted(postfix.table_types())

    parameters: dict[str, Parameter] = {}
    types: list[str] = []
    version = unless_unavailable(_("Postfix"), postfix.version, None, not_asked)
    if version is not None:
        what = _("Postfix's parameters and map types")
        parameters, types = unless_unavailable(what, ask, (parameters, types), not_asked)
    return PostfixStack(
        version=version, config_directory=os.path.dirname(path), parameters=parameters, table_types=types
    )


def _is_missing(path: str) -> bool:
    try:
        os.stat(path)
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return False


def ourselves(not_asked: list[Unavailable]) -> Ours:
    """What is set up."""
    settings = unless_unavailable(_("The configuration"), load_settings, None, not_asked)
    if settings is None:
        return Ours(version=installed_version(), config=os.environ.get(PATH_VARIABLE) or DEFAULT_PATH)
    config = settings.config
    return Ours(
        version=installed_version(),
        config=settings.path,
        enabled=config.enabled,
        backend=config.backend,
        map=config.map_name,
        domain=settings.domain,
        registry=settings.registry,
        active_aliases=unless_unavailable(_("The registry"), lambda: _active(settings), None, not_asked),
        watcher_running=unless_unavailable(
            _("The watcher"), lambda: is_running(read_status(config.runtime_dir)), None, not_asked
        ),
    )


def _active(settings: Settings) -> int:
    return sum(entry.active for entry in read_registry(settings).whole().entries.values())


def our_files(ours: Ours) -> list[str]:
    """The paths of our own files; where the configuration cannot be used, the registry's usual one."""
    files = [ours.config, ours.registry or os.path.join(Config().state_dir, "email-aliases.json")]
    if ours.map is None:
        return files
    kind, _separator, path = ours.map.partition(":")
    return [*files, path, *([path + SUFFIXES[kind]] if SUFFIXES.get(kind) else [])]
