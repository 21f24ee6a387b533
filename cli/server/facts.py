"""Facts of one server at one moment, each asked for once; what could not be asked, and why."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import msgspec

from cli.server.postfix_setup import PostfixState, find_postfix_state
from cli.server.status import PublishedMap, read_published, read_registry
from cli.server.virtual_aliases import VirtualAliases
from schemas.config import Settings
from schemas.errors import ExpectedError, RegistryError, StateError, error_text
from schemas.registry import Registry
from schemas.status import Status, is_running, read_status
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix

T = TypeVar("T")


class Unavailable(msgspec.Struct, frozen=True):
    """One question without an answer.

    Neither is escaped yet.

    Attributes:
        what: what was to be asked; a path, or words.
        why: a whole sentence.
    """

    what: str
    why: str


def unless_unavailable(what: str, question: Callable[[], T], otherwise: T, not_asked: list[Unavailable]) -> T:
    """Give the answer to *question*; where it cannot be asked, give *otherwise* and tell *not_asked* why."""
    try:
        return question()
    except ExpectedError as error:
        not_asked.append(Unavailable(what, str(error)))
        return otherwise


UNIT_DIRECTORIES = (
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)


class Facts:
    """One server at one moment.

    Attributes:
        settings: the configuration that the commands go by.
        proc: where the kernel tells of processes and limits, proc(5).
        unit_directories: where units may be, the first one winning, systemd.unit(5).
        registry_trouble: why there is no registry, for the one check that says it.
        postfix_trouble: why there is no Postfix to ask, likewise.
    """

    def __init__(
        self, settings: Settings, *, proc: str = "/proc", unit_directories: tuple[str, ...] = UNIT_DIRECTORIES
    ) -> None:
        self.settings = settings
        self.proc = proc
        self.unit_directories = unit_directories
        self.registry_trouble: RegistryError | None = None
        self.postfix_trouble: CommandError | None = None

    @property
    def map(self) -> str:
        """The map as Postfix names it."""
        return self.settings.config.map_name

    @property
    def privileged(self) -> bool:
        """Whether root is asking: others cannot look everywhere."""
        return os.geteuid() == 0

    @cached_property
    def registry(self) -> Registry | None:
        """The registry, or `None` where it cannot be used."""
        try:
            return read_registry(self.settings).whole()
        except RegistryError as error:
            self.registry_trouble = error
            return None

    def registry_again(self) -> Registry | None:
        """The registry as it is now."""
        self.__dict__.pop("registry", None)
        self.__dict__.pop("published", None)
        self.registry_trouble = None
        return self.registry

    @cached_property
    def published(self) -> PublishedMap | ExpectedError:
        """What is published, or why it cannot be read: a database that is down is not tried again and again."""
        wanted = self.registry.rows() if self.registry else {}
        try:
            return read_published(self.settings, wanted)
        except ExpectedError as error:
            return error
        except OSError as error:
            return StateError(f"{error_text(error)}.")

    @cached_property
    def postfix(self) -> Postfix | None:
        """Postfix to ask, or `None` where it is not there or its configuration cannot be read."""
        postfix = Postfix()
        try:
            postfix.value("virtual_alias_maps")
        except CommandError as error:
            self.postfix_trouble = error
            return None
        return postfix

    @cached_property
    def postfix_state(self) -> PostfixState | None:
        """How Postfix stands to the map and the domain, where there is one. Raises `CommandError`."""
        return None if self.postfix is None else find_postfix_state(self.postfix, self.settings)

    @cached_property
    def virtual_aliases(self) -> VirtualAliases | None:
        """The tables that Postfix asks for aliases, where there is one. Raises `CommandError`."""
        if self.postfix is None or self.postfix_state is None:
            return None
        known = {each.pattern: CommandError(each.why) for each in self.postfix_state.unasked}
        return VirtualAliases(self.postfix, known)

    @cached_property
    def status(self) -> Status | None:
        """What the watcher last did; `None` where it has left nothing, or nothing that can be read."""
        try:
            return self.read_status()
        except StateError:
            return None

    def read_status(self) -> Status | None:
        """What the watcher last did. Raises `StateError` where it cannot be read."""
        return read_status(self.settings.config.runtime_dir)

    @cached_property
    def running(self) -> bool:
        """Whether the watcher is running."""
        return is_running(self.status)
