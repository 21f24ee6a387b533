"""The configuration together with the paths that it leads to, once the environment has had its word."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import msgspec

from schemas.config import DOMAIN, SIZE_LIMIT, Config, parse_config
from schemas.errors import ConfigError, ExpectedError
from schemas.files import read_plain
from schemas.text import printable

DEFAULT_PATH = "/etc/runv-member-mail.json"
PATH_VARIABLE = "RUNV_MEMBER_MAIL_CONFIG"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A config together with the paths that it and the environment lead to."""

    config: Config
    path: str
    domain: str
    registry: str
    lock: str
    queue: str

    @property
    def requests(self) -> str:
        """The folder of the request records."""
        return os.path.join(self.config.state_dir, "email-alias-requests")

    @property
    def decisions(self) -> str:
        """The folder of the administrator's markers."""
        return os.path.join(self.config.state_dir, "email-alias-decisions")

    @property
    def audit(self) -> str:
        """The audit log."""
        return os.path.join(self.config.state_dir, "email-alias-audit.jsonl")


def load_settings(
    path: str | None = None, environment: Mapping[str, str] = os.environ, *, may_be_absent: bool = False
) -> Settings:
    """Read the config and apply the overrides of the environment.

    Args:
        path: the config file; else the one that `RUNV_MEMBER_MAIL_CONFIG` names; else the default, which may be absent.
        environment: where `RUNV_EMAIL_ALIASES_PATH`, `RUNV_EMAIL_ALIASES_LOCK_PATH`, `RUNV_EMAIL_ALIAS_QUEUE_DIR` and
            `RUNV_EMAIL_ALIAS_DOMAIN` are looked up.
        may_be_absent: whether a file that was named may be missing too; the defaults hold then.

    Raises:
        ConfigError: everything that is wrong with the file, in one message, one line each.
    """
    given = path or environment.get(PATH_VARIABLE)
    display_path = given or DEFAULT_PATH
    named = given and not may_be_absent
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
