"""Whether mail follows a decision that has been applied: what the watcher's status says of the map."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from cli import admin_sentences as sentences
from cli import exits, waiting
from cli.output import SafeText, echo, echo_error, format_message, safe_text
from cli.registry_file import RegistrySnapshot, read_registry
from schemas.errors import RegistryError
from schemas.settings import Settings
from schemas.status import Conflict, Problem, Status, read_status

PUBLISH_CODES = "publish"
"""What the codes of problems begin with that keep the map from following."""
_BESIDES = ("map-not-used", "reload-failed", "map-answers-wrong")
"""Codes of problems that leave the map in line, and yet keep mail from following it."""
_CONFLICT = "alias-conflict"
_OF_SOME = (_CONFLICT, "replica-behind", "replica-unreachable")
"""Codes of problems that keep it from following for some aliases, or on some hosts."""


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
        """What there is left to tell where the conflicts of *aliases* have been told of."""
        if not self.conflicts.keys() <= set(aliases):
            return self
        rest = {code: message for code, message in self.reservations.items() if code != _CONFLICT}
        return self._replace(reservations=rest)


def find_publish_state(settings: Settings) -> PublishState:
    """Say whether the map follows the registry; wait a little where it neither does nor anything stands in the way."""
    return waiting.wait_for(lambda: _look(settings), waiting.MARKER_SECONDS) or PublishState("behind", [])


def _look(settings: Settings) -> PublishState | None:
    status = read_status(settings.config.runtime_dir)
    if status is None:
        return PublishState("behind", [format_message(sentences.NO_STATUS, unit=sentences.UNIT)])
    if not status.enabled:
        return PublishState("off", [])
    try:
        registry = read_registry(settings)
    except RegistryError as error:
        return PublishState("behind", [safe_text(str(error))])
    if status.published and status.published.registry_sha256 == registry.sha256:
        besides = [safe_text(problem.what) for problem in status.problems if problem.code in _BESIDES]
        of_some = {problem.code: safe_text(problem.what) for problem in status.problems if problem.code in _OF_SOME}
        conflicts = {conflict.alias: conflict for conflict in status.conflicts}
        unseen = [safe_text(problem.what) for problem in status.problems if problem.code.startswith(PUBLISH_CODES)]
        return PublishState("live", besides, registry, status.published.aliases, of_some, conflicts, unseen)
    # Without any problem the registry has only just been changed once more, and the next status will tell.
    return PublishState("behind", _in_the_way(status)) if status.problems else None


def _in_the_way(status: Status) -> list[SafeText]:
    found: list[Problem] = [problem for problem in status.problems if problem.code.startswith(PUBLISH_CODES)]
    return [safe_text(problem.what) for problem in found or status.problems]


def echo_problems(settings: Settings) -> None:
    """Say what the watcher has on its mind, when it does not answer."""
    status = read_status(settings.config.runtime_dir)
    for problem in status.problems if status else ():
        echo_error(format_message(sentences.WARNING, what=safe_text(problem.what)))


def echo_publish_state(settings: Settings, publish_state: PublishState) -> int:
    """Say what keeps mail from flowing, if anything; give the exit status."""
    if publish_state.state == "off":
        echo(format_message(sentences.PUBLISHING_OFF, config=settings.path))
        return exits.DONE
    if publish_state.state == "live":
        for problem in (*publish_state.unseen, *publish_state.problems, *publish_state.reservations.values()):
            echo_error(format_message(sentences.WARNING, what=problem))
        return exits.DONE
    for problem in publish_state.problems:
        echo_error(format_message(sentences.PUBLISH_PROBLEM, what=problem))
    if not publish_state.problems:
        echo_error(sentences.MAP_BEHIND)
    return exits.FAILED
