"""The configuration file, `/etc/runv-member-mail.json`, and the paths that it and the environment lead to."""

from __future__ import annotations

import difflib
import itertools
import os
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal, TypeGuard, get_args

import msgspec
from msgspec import Meta

from schemas.errors import ConfigError, ExpectedError
from schemas.fs.directory import read_plain
from schemas.json_records import NotJsonError, ShapeError, parse_object
from schemas.sql_block import AbsolutePath, Database, contradictions, problem_of, without_blanks
from schemas.text import printable

DEFAULT_PATH = "/etc/runv-member-mail.json"
PATH_VARIABLE = "RUNV_MEMBER_MAIL_CONFIG"

SIZE_LIMIT = 1024 * 1024
_PROBLEM_LIMIT = 50
"""So many problems of one file are listed."""

Backend = Literal[
    "postfix-hash",
    "postfix-btree",
    "postfix-lmdb",
    "postfix-cdb",
    "postfix-texthash",
    "postfix-mysql",
    "postfix-pgsql",
    "postfix-sqlite",
]
SQL_TYPES = frozenset({"mysql", "pgsql", "sqlite"})
"""The types of lookup tables that are kept in a database."""
Command = Annotated[list[Annotated[str, Meta(pattern="^[^\\0]*$")]], Meta(min_length=1)]

DOMAIN = r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?!\n)$"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`/etc/runv-member-mail.json`. Every key may be left out."""

    enabled: Annotated[
        bool,
        Meta(description="Publish to Postfix. When false, requests and decisions work, and Postfix is not touched."),
    ] = False
    backend: Annotated[Backend, Meta(description="`postfix-` and the type of the lookup table, see postconf -m.")] = (
        "postfix-hash"
    )
    virtual_alias_file: Annotated[
        AbsolutePath, Meta(description="The map's source text; the database beside it carries the type's suffix.")
    ] = "/etc/postfix/runv-member-aliases"
    file_mode: Annotated[
        str,
        Meta(pattern="^(?:0o?)?[0-7]{3}(?!\\n)$", description="Mode of the map's files, in octal.", examples=["0o644"]),
    ] = "0o644"
    check_maps: Annotated[
        bool, Meta(description="Check that virtual_alias_maps of Postfix names the map, and say so where it does not.")
    ] = True
    run_postmap: Annotated[
        bool, Meta(description="When false, only the source text is written and somebody else builds the database.")
    ] = True
    postmap_command: Annotated[
        Command,
        Meta(
            description="Plain `postmap`, with or without the map, means the safe build: aside, proved, renamed into "
            "place. Any other command is run exactly as given, after the source text is in place."
        ),
    ] = msgspec.field(default_factory=lambda: ["postmap"])
    reload_postfix: Annotated[
        bool | Literal["auto"],
        Meta(description="Reload Postfix after each new map. `auto`: only for the types that need it."),
    ] = "auto"
    reload_command: Annotated[Command, Meta(description="How Postfix is reloaded.")] = msgspec.field(
        default_factory=lambda: ["systemctl", "reload", "postfix"]
    )
    auto_sync_on_approve: Annotated[
        bool | None, Meta(description="Accepted from older installations; has no effect, since every change syncs.")
    ] = None
    state_dir: Annotated[AbsolutePath, Meta(description="Where registry, queue, records and decisions live.")] = (
        "/var/lib/runv"
    )
    runtime_dir: Annotated[AbsolutePath, Meta(description="Where the status file lives.")] = "/run/runv-email-alias"
    group: Annotated[str, Meta(min_length=1, description="The members' group.")] = "runv-members"
    domain: Annotated[str, Meta(pattern=DOMAIN, description="The alias domain, in lower case.")] = "runv.club"
    reserved: Annotated[
        list[str], Meta(description="Names no member may have as an alias, besides the built-in ones.")
    ] = msgspec.field(default_factory=list)
    max_request_age_days: Annotated[
        int, Meta(ge=1, le=3650, description="A queue file older than this is refused.")
    ] = 7
    orphans: Annotated[
        Literal["deactivate", "report"],
        Meta(
            description="What becomes of an active alias whose account is gone or has left the group. `deactivate`: it "
            "is switched off. `report`: it is only told of."
        ),
    ] = "deactivate"

    sql: Annotated[
        Database | None, Meta(description="Where in a database the aliases belong, for postfix-mysql, -pgsql, -sqlite.")
    ] = None
    mysql: Annotated[Database | None, Meta(description="Another name for `sql`, as on older installations.")] = None
    mysql_map_file: Annotated[
        AbsolutePath | None, Meta(description="Another name for `map_file` in `sql`, as on older installations.")
    ] = None
    drift_check_interval: Annotated[
        int,
        Meta(
            ge=0,
            le=86400,
            description="Seconds between looks for rows in the database that somebody else has changed; 0: no look "
            "without another reason, since a database tells nobody of changes.",
        ),
    ] = 0

    @property
    def map_type(self) -> str:
        """The type of the lookup table, as Postfix calls it: `hash`, `lmdb` and so on."""
        return self.backend.removeprefix("postfix-")

    @property
    def in_database(self) -> bool:
        """Whether the rows are kept in a database, and not in files of ours."""
        return self.map_type in SQL_TYPES

    @property
    def map_path(self) -> str:
        """What follows the type in Postfix's name of the map: the source text, or the file that leads to a database."""
        return (self.database.map_file if self.in_database else None) or self.virtual_alias_file

    @property
    def map_name(self) -> str:
        """The map as Postfix names it, `type:path`."""
        return f"{self.map_type}:{self.map_path}"

    @property
    def database(self) -> Database:
        """The block of the database, whichever of its names it goes by."""
        given = self.sql or self.mysql or Database()
        return msgspec.structs.replace(given, map_file=given.map_file or self.mysql_map_file)

    @property
    def mode(self) -> int:
        return int(self.file_mode.removeprefix("0o"), 8)


def parse_config(data: bytes, path: str) -> Config:
    """Parse a config; *path* is how messages call it.

    Raises:
        ConfigError: what is wrong, one line each, up to a limit.
    """
    try:
        given = parse_object(data)
    except (NotJsonError, ShapeError) as error:
        raise ConfigError(f"The config file {path} was expected to be one JSON object. {error}") from error
    given = {key: without_blanks(value) if _is_block(value, key) else value for key, value in given.items()}
    kinds = {field.name: field.type for field in msgspec.structs.fields(Config)}
    problems = list(itertools.islice(_problems(given, kinds), _PROBLEM_LIMIT))
    if problems:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    config = msgspec.convert(given, Config)
    if problems := list(_contradictions(config)):
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    return config


def _contradictions(config: Config) -> Iterator[str]:
    if config.sql is not None and config.mysql is not None:
        yield "`sql` and `mysql` are two names for one block; give one of them."
        return
    given = config.sql or config.mysql or Database()
    if given.map_file is not None and config.mysql_map_file not in {None, given.map_file}:
        yield "`mysql_map_file` and `map_file` name different files; give one of them."
    if config.in_database and config.database.map_file is None:
        yield (
            f"`backend` is {config.backend}, so `map_file` in `sql` has to name the file that Postfix finds the "
            f"database by, see {config.map_type}_table(5)."
        )
    yield from contradictions(given)


def _problems(given: Mapping[str, object], kinds: Mapping[str, object]) -> Iterator[str]:
    for key, value in given.items():
        if key not in kinds:
            yield _unknown(key, kinds)
        elif _is_block(value, key):
            yield from _problems_of_block(key, value)
        elif problem := _problem_of(key, value, kinds[key]):
            yield problem


def _is_block(value: object, key: str) -> TypeGuard[dict[str, object]]:
    return key in {"sql", "mysql"} and isinstance(value, dict)


def _problems_of_block(block: str, given: Mapping[str, object]) -> Iterator[str]:
    for key, value in given.items():
        if key not in Database.__struct_fields__:
            yield _unknown(key, Database.__struct_fields__, f"{block}.")
        elif problem := problem_of(f"{block}.{key}", key, value):
            yield problem


def _problem_of(key: str, value: object, kind: object) -> str | None:
    if key == "backend" and value not in get_args(Backend):
        return f"`backend` is {printable(str(value))!r}; one of {', '.join(get_args(Backend))} was expected."
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return f"`{key}`: {printable(str(error))}."
    if key == "file_mode" and isinstance(value, str):
        mode = int(value.removeprefix("0o"), 8)
        if mode & 0o133 or not mode & 0o400:
            return (
                f"`file_mode` is {value}: the map must be readable by its owner, writable by nobody else, and no "
                "program. 0o644 is usual."
            )
    return None


def _unknown(key: str, known: Collection[str], within: str = "") -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0)
    return f"The key `{within}{printable(key)}` is not known; the nearest known one is `{within}{near[0]}`."


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A config together with the paths that it and the environment lead to.

    Attributes:
        config: the configuration.
        path: where it is, or would be.
        domain: of the aliases.
        registry, lock: the registry and its lock file.
        queue: the directory for the members' files.
        requests: the directory of the request records.
        decisions: the directory of the administrators' markers.
        audit: the audit log.
    """

    config: Config
    path: str
    domain: str
    registry: str
    lock: str
    queue: str

    @property
    def requests(self) -> str:
        return os.path.join(self.config.state_dir, "email-alias-requests")

    @property
    def decisions(self) -> str:
        return os.path.join(self.config.state_dir, "email-alias-decisions")

    @property
    def audit(self) -> str:
        return os.path.join(self.config.state_dir, "email-alias-audit.jsonl")


def config_path(path: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """Where the config is: at *path*, or else where `RUNV_MEMBER_MAIL_CONFIG` says, or else at the usual place."""
    return path or environment.get(PATH_VARIABLE) or DEFAULT_PATH


def load_settings(
    path: str | None = None, environment: Mapping[str, str] = os.environ, *, may_be_absent: bool = False
) -> Settings:
    """Read the configuration and apply the overrides of the environment.

    Args:
        path: the config file; else the one that `RUNV_MEMBER_MAIL_CONFIG` names; else the default, which may be absent.
        environment: where `RUNV_EMAIL_ALIASES_PATH`, `RUNV_EMAIL_ALIASES_LOCK_PATH`, `RUNV_EMAIL_ALIAS_QUEUE_DIR` and
            `RUNV_EMAIL_ALIAS_DOMAIN` are looked up.
        may_be_absent: whether a file that was named may be missing too; the defaults hold then.

    Raises:
        ConfigError: everything that is wrong with the file, in one message, one line each.
    """
    display_path = config_path(path, environment)
    named = (path or environment.get(PATH_VARIABLE)) and not may_be_absent
    try:
        data = read_plain(display_path, SIZE_LIMIT).data
    except (FileNotFoundError, NotADirectoryError) as error:
        if named:
            raise ConfigError(f"The config file {display_path} is not there. Make it, or name another.") from error
        data = b"{}"
    except (OSError, ExpectedError) as error:
        if isinstance(error.__cause__, FileNotFoundError) and not named:
            data = b"{}"
        else:
            raise ConfigError(f"The config file {display_path} cannot be read: {error}") from error
    return _with_environment(parse_config(data, display_path), display_path, environment)


def _with_environment(config: Config, display_path: str, environment: Mapping[str, str]) -> Settings:
    def override(variable: str, otherwise: str) -> str:
        value = environment.get(variable) or otherwise
        if not value.startswith("/"):
            raise ConfigError(
                f"The environment variable {variable} is {printable(value)!r}; a path from / was expected."
            )
        return value

    domain = environment.get("RUNV_EMAIL_ALIAS_DOMAIN") or config.domain
    if not re.fullmatch(DOMAIN, domain):
        raise ConfigError(
            f"The environment variable RUNV_EMAIL_ALIAS_DOMAIN is {printable(domain)!r}; a domain in lower case was "
            "expected."
        )
    registry = override("RUNV_EMAIL_ALIASES_PATH", os.path.join(config.state_dir, "email-aliases.json"))
    lock = override("RUNV_EMAIL_ALIASES_LOCK_PATH", os.path.join(config.state_dir, "email-aliases.lock"))
    queue = override("RUNV_EMAIL_ALIAS_QUEUE_DIR", os.path.join(config.state_dir, "email-alias-queue"))
    return Settings(config=config, path=display_path, domain=domain, registry=registry, lock=lock, queue=queue)
