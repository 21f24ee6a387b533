"""Facts of one server, each asked for once; and what could not be asked, and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Literal, TypeVar

import msgspec

from cli.server.paths import group_id
from cli.server.postfix_setup import PostfixState, find_postfix_state
from cli.server.status import PublishedMap, read_published, read_registry
from cli.server.virtual_aliases import VirtualAliases
from schemas.config import Settings
from schemas.errors import ExpectedError, StateError, error_text
from schemas.registry import Registry
from schemas.status import Status, is_running, read_status
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix

FactName = Literal[
    "enabled",
    "in_database",
    "group",
    "registry",
    "published",
    "postfix",
    "postfix_state",
    "virtual_aliases",
    "status",
    "running",
]

UNIT_DIRECTORIES = (
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)

T = TypeVar("T")


class Unavailable(msgspec.Struct, frozen=True):
    """One question without an answer, as `discover` prints it. Neither part is escaped yet.

    Attributes:
        what: what was to be asked; a path, or words.
        why: a whole sentence.
    """

    what: str
    why: str


def unless_unavailable(what: str, question: Callable[[], T], otherwise: T, not_asked: list[Unavailable]) -> T:
    """Give the answer to *question*; where it cannot be asked, give *otherwise* and add the reason to *not_asked*."""
    try:
        return question()
    except ExpectedError as error:
        not_asked.append(Unavailable(what, str(error)))
        return otherwise


class NoStatusError(StateError):
    """The watcher has left no status since the machine started."""


class Facts:
    """One server, asked for each fact when it is first wanted. What cannot be had raises its error each time.

    Attributes:
        settings: the configuration that the commands go by.
        proc: where the kernel tells of processes and limits, proc(5).
        unit_directories: where units may be, the first one winning, systemd.unit(5).
    """

    def __init__(
        self, settings: Settings, *, proc: str = "/proc", unit_directories: tuple[str, ...] = UNIT_DIRECTORIES
    ) -> None:
        self.settings = settings
        self.proc = proc
        self.unit_directories = unit_directories
        self._errors: dict[FactName, ExpectedError] = {}

    def has(self, name: FactName) -> bool:
        """Whether the fact *name* can be had, and is neither `None` nor false."""
        try:
            found = getattr(self, name)
        except ExpectedError:
            return False
        return found is not None and found is not False

    @contextmanager
    def _asking(self, name: FactName) -> Iterator[None]:
        """Ask for the fact *name*, unless that has failed before: what does not answer may take ten seconds for it."""
        if name in self._errors:
            raise self._errors[name]
        try:
            yield
        except ExpectedError as error:
            self._errors[name] = error
            raise

    @property
    def map(self) -> str:
        """The map as Postfix names it."""
        return self.settings.config.map_name

    @property
    def enabled(self) -> bool:
        """Whether the configuration has publishing switched on."""
        return self.settings.config.enabled

    @property
    def in_database(self) -> bool:
        """Whether the map is in a database."""
        return self.settings.config.in_database

    @property
    def privileged(self) -> bool:
        """Whether root is asking: others cannot look everywhere."""
        return os.geteuid() == 0

    @cached_property
    def group(self) -> int | None:
        """The number of the members' group, or `None` where there is no such group."""
        return group_id(self.settings.config.group)

    @cached_property
    def registry(self) -> Registry:
        """The registry. Raises `RegistryError`."""
        with self._asking("registry"):
            return read_registry(self.settings).whole()

    def forget_registry(self) -> None:
        """Read the registry, and what is published, anew when they are wanted again."""
        for name in ("registry", "published"):
            self.__dict__.pop(name, None)
            self._errors.pop(name, None)

    @cached_property
    def published(self) -> PublishedMap:
        """What is published. Raises `ExpectedError`."""
        with self._asking("published"):
            wanted = self.registry.rows() if self.has("registry") else {}
            try:
                return read_published(self.settings, wanted)
            except OSError as error:
                raise StateError(f"{error_text(error)}.") from error

    @cached_property
    def postfix(self) -> Postfix:
        """Postfix to ask. Raises `CommandError` where it is not there or its configuration cannot be read."""
        with self._asking("postfix"):
            postfix = Postfix()
            postfix.value("virtual_alias_maps")
            return postfix

    @cached_property
    def postfix_state(self) -> PostfixState:
        """How Postfix stands to the map and the domain. Raises `CommandError`."""
        with self._asking("postfix_state"):
            return find_postfix_state(self.postfix, self.settings)

    @cached_property
    def virtual_aliases(self) -> VirtualAliases:
        """The tables that Postfix asks for aliases. Raises `CommandError`."""
        with self._asking("virtual_aliases"):
            known = {each.pattern: CommandError(each.why) for each in self.postfix_state.unavailable}
            return VirtualAliases(self.postfix, known)

    @cached_property
    def status(self) -> Status:
        """What the watcher last did. Raises `NoStatusError`, or `StateError` where it cannot be read."""
        with self._asking("status"):
            status = read_status(self.settings.config.runtime_dir)
            if status is None:
                raise NoStatusError("The watcher has left no status.")
            return status

    @cached_property
    def running(self) -> bool:
        """Whether the watcher is running; not so where its status cannot be read."""
        return self.has("status") and is_running(self.status)
