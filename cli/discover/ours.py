"""How this project itself stands on the server, as far as its own files tell."""

from __future__ import annotations

import os

import msgspec

from cli.discover import sentences
from cli.discover.unasked import Unavailable, unless_unavailable
from cli.registry_file import read_registry
from schemas.config import Config
from schemas.settings import DEFAULT_PATH, PATH_VARIABLE, Settings, load_settings
from schemas.status import is_running, read_status
from watcher.publish.postmap import SUFFIXES
from watcher.version import VERSION


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


def ourselves(not_asked: list[Unavailable]) -> Ours:
    """What is set up."""
    settings = unless_unavailable(sentences.CONFIG, load_settings, None, not_asked)
    if settings is None:
        return Ours(version=VERSION, config=os.environ.get(PATH_VARIABLE) or DEFAULT_PATH)
    config = settings.config
    return Ours(
        version=VERSION,
        config=settings.path,
        enabled=config.enabled,
        backend=config.backend,
        map=config.map_name,
        domain=settings.domain,
        registry=settings.registry,
        active_aliases=unless_unavailable(sentences.REGISTRY, lambda: _active(settings), None, not_asked),
        watcher_running=unless_unavailable(
            sentences.WATCHER, lambda: is_running(read_status(config.runtime_dir)), None, not_asked
        ),
    )


def _active(settings: Settings) -> int:
    return sum(entry.active for entry in read_registry(settings).whole().entries.values())


def our_files(ours: Ours) -> list[str]:
    """The paths of our own files; where the configuration cannot be used, the registry's usual one."""
    files = [ours.config, ours.registry or os.path.join(Config().state_dir, "email-aliases.json")]
    if ours.map is None:
        return files
    kind, _, path = ours.map.partition(":")
    return [*files, path, *([path + SUFFIXES[kind]] if SUFFIXES.get(kind) else [])]
