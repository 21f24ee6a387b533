"""The registry, the published map, and what the watcher's status says of whether the one follows the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from cli import polling
from cli.messages import _
from cli.output import SafeText, format_message, safe_text
from schemas.config import Settings
from schemas.errors import ExpectedError, RegistryError, StateError
from schemas.fs.directory import read_plain
from schemas.json_records import sha256
from schemas.program import WATCHER_UNIT
from schemas.registry import SIZE_LIMIT, Entry, Registry, parse_registry
from schemas.status import Conflict, Problem, Status, is_running, read_status

PUBLISH_CODES = "publish"
"""What the codes of problems begin with that keep the map from following the registry."""
_STUCK_CODES = frozenset({"publish-failed", "publish-held"})
"""Those of them that are of one publish."""
_MAIL_CODES = ("map-not-used", "reload-failed", "map-answers-wrong")
"""Codes of problems that leave the map in line, and yet keep mail from following it."""
_CONFLICT = "alias-conflict"
_PARTIAL_CODES = (_CONFLICT, "replica-behind", "replica-unreachable")
"""Codes of problems that keep the map from following for some aliases, or on some hosts."""

_RAWS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class RegistrySnapshot:
    """The registry as it was read: its entries are parsed when they are asked for."""

    data: bytes = field(repr=False)
    domain: str
    path: str

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file, in hexadecimal, as the status file names it."""
        return sha256(self.data)

    @cached_property
    def _raws(self) -> Mapping[str, msgspec.Raw]:
        try:
            return _RAWS.decode(self.data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryError(
                format_message(
                    _("The registry {path} cannot be used: a JSON object of aliases was expected. Mend the file."),
                    path=self.path,
                )
            ) from error

    def entry(self, username: str) -> Entry | None:
        """The entry of *username*, held against the schema; the others are not looked at.

        Raises:
            RegistryError: the file is no JSON object, or this entry breaks the schema.
        """
        raw = self._raws.get(username)
        if raw is None:
            return None
        alone = b"{%b: %b}" % (msgspec.json.encode(username), bytes(raw))
        return parse_registry(alone, self.domain, self.path).entries[username]

    def whole(self) -> Registry:
        """Every entry, held against the schema. Raises `RegistryError` where one breaks it."""
        return parse_registry(self.data, self.domain, self.path)


def read_registry(settings: Settings) -> RegistrySnapshot:
    """Read the registry; raise `RegistryError` where it is missing or cannot be read."""
    try:
        data = read_plain(settings.registry, SIZE_LIMIT).data
    except (OSError, ExpectedError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, PermissionError):
            raise RegistryError(
                format_message(
                    _("You may not read the registry {path}: only root and the members' group may."),
                    path=settings.registry,
                )
            ) from error
        if isinstance(cause, FileNotFoundError):
            raise RegistryError(
                format_message(
                    _("The registry {path} is not there. An administrator makes it, at first with the contents {{}}."),
                    path=settings.registry,
                )
            ) from error
        why = safe_text((error.strerror if isinstance(error, OSError) else None) or str(error))
        raise RegistryError(
            format_message(_("The registry {path} cannot be read ({why})."), path=settings.registry, why=why)
        ) from error
    return RegistrySnapshot(data=data, domain=settings.domain, path=settings.registry)


class PublishedMap(NamedTuple):
    """What is published.

    Attributes:
        rows: alias -> destination, of the rows that are ours.
        conflicts: the aliases that somebody else's row holds, of which files have none.
        engine: the engine of the table, where it is one without transactions.
    """

    rows: Mapping[str, str]
    conflicts: Sequence[Conflict] = ()
    engine: str | None = None

    def without_conflicts(self, rows: Mapping[str, str]) -> dict[str, str]:
        """Those of the registry's *rows* that can be published."""
        held = {conflict.alias for conflict in self.conflicts}
        return {alias: destination for alias, destination in rows.items() if alias not in held}


def read_published(settings: Settings, wanted: Mapping[str, str]) -> PublishedMap:
    """Read what is published.

    Args:
        settings: say where.
        wanted: what the registry would have there, for telling whose rows are in the way of it.

    Raises:
        ExpectedError: it cannot be read.
    """
    config = settings.config
    if config.in_database:
        from watcher.publish.sql import inspect  # noqa: PLC0415 - brings the database libraries

        found = inspect.read_published(config, wanted, settings.domain)
        return PublishedMap(found.rows, found.conflicts, found.engine)
    from watcher.publish.map_files import published_rows  # noqa: PLC0415

    return PublishedMap(published_rows(config))


def is_down(settings: Settings) -> bool:
    """Whether the watcher is known not to run. Where its status cannot be read, it may."""
    try:
        return not is_running(read_status(settings.config.runtime_dir))
    except StateError:
        return False


def is_waiting(settings: Settings, changed_at: str | None) -> bool:
    """Whether the watcher reports that what was changed at *changed_at*, as the registry has it, is not published."""
    status = _status_or_none(settings)
    if status is None or status.published is None or changed_at is None:
        return False
    return _is_stuck(status) and changed_at > status.published.at


def publishes(settings: Settings) -> bool:
    """Whether the watcher publishes; where nothing is known of that, it does."""
    status = _status_or_none(settings)
    return status is None or status.enabled


def map_follows(settings: Settings) -> bool:
    """Whether the watcher reports nothing that keeps the map from following the registry."""
    status = _status_or_none(settings)
    return status is None or (status.enabled and not _is_stuck(status))


def _is_stuck(status: Status) -> bool:
    return any(problem.code in _STUCK_CODES for problem in status.problems)


def conflict_of(settings: Settings, alias: str) -> Conflict | None:
    """The conflict of *alias*, if the watcher reports one."""
    status = _status_or_none(settings)
    return next((each for each in status.conflicts if each.alias == alias), None) if status else None


def _status_or_none(settings: Settings) -> Status | None:
    try:
        return read_status(settings.config.runtime_dir)
    except StateError:
        return None


class PublishState(NamedTuple):
    """What the status says of the map.

    Attributes:
        state: `live`: the map answers for the registry; `off`: publishing is off; `behind`: neither.
        problems: why it is behind, or what else keeps mail from flowing. Escaped.
        registry: what the map answers for, where it is `live`.
        aliases: how many the map holds then.
        reservations: what keeps mail from following for some aliases, or on some hosts, where it is `live`, by the code
            of the problem. Escaped.
        conflicts: the aliases that are left out, by alias.
        unseen: why it could not be looked at, or put right, since it was `live`. Escaped.
    """

    state: Literal["live", "off", "behind"]
    problems: list[SafeText]
    registry: RegistrySnapshot | None = None
    aliases: int = 0
    reservations: Mapping[str, SafeText] = MappingProxyType({})
    conflicts: Mapping[str, Conflict] = MappingProxyType({})
    unseen: Sequence[SafeText] = ()

    def after_telling_of(self, aliases: Collection[str]) -> PublishState:
        """The state without the reservation about conflicts, where only *aliases*, which were printed, have any."""
        if not self.conflicts.keys() <= set(aliases):
            return self
        rest = {code: message for code, message in self.reservations.items() if code != _CONFLICT}
        return self._replace(reservations=rest)


def find_publish_state(settings: Settings) -> PublishState:
    """Say whether the map follows the registry; wait a little where it neither does nor anything stands in the way."""
    return polling.wait_for(lambda: _publish_state(settings), polling.MARKER_SECONDS) or PublishState("behind", [])


def _publish_state(settings: Settings) -> PublishState | None:
    status = read_status(settings.config.runtime_dir)
    if status is None:
        return PublishState(
            "behind",
            [format_message(_("The watcher has left no status. See: systemctl status {unit}"), unit=WATCHER_UNIT)],
        )
    if not status.enabled:
        return PublishState("off", [])
    try:
        registry = read_registry(settings)
    except RegistryError as error:
        return PublishState("behind", [safe_text(str(error))])
    if status.published and status.published.registry_sha256 == registry.sha256:
        besides = [safe_text(problem.what) for problem in status.problems if problem.code in _MAIL_CODES]
        of_some = {
            problem.code: safe_text(problem.what) for problem in status.problems if problem.code in _PARTIAL_CODES
        }
        conflicts = {conflict.alias: conflict for conflict in status.conflicts}
        unseen = [safe_text(problem.what) for problem in status.problems if problem.code.startswith(PUBLISH_CODES)]
        return PublishState("live", besides, registry, status.published.aliases, of_some, conflicts, unseen)
    # Without any problem the registry has only just been changed once more, and the next status will tell.
    return PublishState("behind", _in_the_way(status)) if status.problems else None


def _in_the_way(status: Status) -> list[SafeText]:
    found: list[Problem] = [problem for problem in status.problems if problem.code.startswith(PUBLISH_CODES)]
    return [safe_text(problem.what) for problem in found or status.problems]
