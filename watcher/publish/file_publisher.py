"""The publisher of maps in files: a new map where the one that is there differs from the registry."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.config import Config
from schemas.registry import Registry
from schemas.request import RequestRecord
from schemas.status import Conflict, Host
from schemas.text import N_
from watcher.publish.commands import CommandError, run_well
from watcher.publish.map_files import MapError, MapFiles, MapSignature
from watcher.publish.plan import Plan, describe, make_plan, refuse_mass_change
from watcher.publish.postmap import DUMPABLE, is_plain_postmap

SMALL_CHANGE = 64
"""Up to this many keys are changed in a copy of the table; more make a new one."""
_NEEDS_RELOAD = frozenset({"texthash"})

log = logging.getLogger("runv.publish")


@dataclass(frozen=True)
class _Published:
    """What the map holds, as far as that is known.

    Attributes:
        rows: alias -> destination.
        files: the files that hold them; `None` where they are to be made anew.
    """

    rows: Mapping[str, str]
    files: MapSignature | None


class FilePublisher:
    """Publishes to the map of one configuration; see `watcher.publish.publisher.Publisher`.

    Attributes:
        problems: what went wrong with the last reload of Postfix, in words, by its code.
        conflicts: none: the files are ours alone.
        hosts: none: there are no replicas.
        due: never: the kernel tells of changes.
    """

    conflicts: Sequence[Conflict] = ()
    hosts: Sequence[Host] = ()
    due: float | None = None

    def __init__(self, config: Config, approvals: Callable[[str], Iterable[RequestRecord]]) -> None:
        self._config = config
        self._approvals = approvals
        self._files = MapFiles(config)
        self._plain = is_plain_postmap(config.postmap_command, config.map_type, config.virtual_alias_file)
        # `None` before the first publish.
        self._published: _Published | None = None
        self._leftovers_removed = False
        self.problems: dict[str, str] = {}

    def drifted(self, *, asked: bool) -> bool:
        """Whether the map's files are not the ones that were left there."""
        return self._published is None or self._published.files is None or self.found() != self._published.files

    def found(self) -> MapSignature | None:
        """The map's files as they lie there; `None` where their directory cannot be opened."""
        try:
            return self._files.signature()
        except MapError:
            return None

    def publish(self, registry: Registry, *, forced: bool) -> Plan | None:
        """Make the map answer for *registry*; give what had to be written, or `None` where nothing had to be.

        Args:
            registry: the registry.
            forced: an administrator has asked for this registry by name: no change is too much.

        Raises:
            MassChangeError: the guard holds it back.
            MapError, CommandError: the new map could not be made; the earlier one is in place.
        """
        if not self._leftovers_removed:
            self._files.tidy()
            self._leftovers_removed = True
        published = self._current()
        desired = registry.rows()
        plan = make_plan(published.rows, desired)
        if plan.empty and published.files is not None:
            return None
        if not forced:
            refuse_mass_change(plan, registry, self._approvals)
        self._write(published, desired, plan)
        log.info(describe(plan, self._files.path, len(desired)))
        self._reload()
        return plan

    def _current(self) -> _Published:
        if self._published is None:
            self._published = self._first_look()
        elif self._published.files is not None and self._files.signature() != self._published.files:
            log.warning(
                f"The map {self._files.path} was changed by somebody else, or is not there; it is made anew "
                "from the registry."
            )
            self._published = _Published(self._published.rows, None)
        return self._published

    def _first_look(self) -> _Published:
        signature = self._files.signature()
        text_rows = self._files.text_rows()
        if not self._config.run_postmap or self._files.map_type == "texthash":
            return _Published(text_rows or {}, signature if text_rows is not None else None)
        if signature.table is None:
            return _Published({}, None)
        if self._files.map_type not in DUMPABLE:
            # Of cdb nobody can tell every row, so it is made anew once; the text says what was published before.
            return _Published(text_rows or {}, None)
        try:
            rows = self._files.postmap.dump(self._files.path)
        except CommandError:
            return _Published(text_rows or {}, None)
        return _Published(rows, signature if rows == text_rows else None)

    def _write(self, published: _Published, desired: Mapping[str, str], plan: Plan) -> None:
        changed = {**plan.added, **{alias: new for alias, (_, new) in plan.changed.items()}}
        # Until the new map has been checked, nothing is known of the files: after a failure they are made anew.
        self._published = _Published(published.rows, None)
        if self._config.run_postmap and not self._plain:
            self._write_by_command(desired)
            files: MapSignature | None = self._files.signature()
        elif not self._config.run_postmap or self._files.map_type == "texthash":
            files = self._files.write_text(desired)
        else:
            files = self._make_table(published, desired, plan, changed)
        if self._config.run_postmap:
            self._check_live(published, desired, changed, plan)
        self._published = _Published(desired, files)

    def _make_table(
        self, published: _Published, desired: Mapping[str, str], plan: Plan, changed: Mapping[str, str]
    ) -> MapSignature:
        files = None
        if published.files is not None and plan.count <= SMALL_CHANGE and self._files.map_type in DUMPABLE:
            files = self._files.amend(desired, changed, plan.removed, published.files)
        return files or self._files.build(desired)

    def _check_live(
        self, published: _Published, desired: Mapping[str, str], changed: Mapping[str, str], plan: Plan
    ) -> None:
        try:
            self._files.check_live(changed, plan.removed)
        except (MapError, CommandError) as error:
            try:
                self._put_back(published.rows)
            except (MapError, CommandError) as second:
                raise MapError(
                    N_(
                        "The new map {path} gives wrong answers, and the earlier one could not be put back. {error}"
                    ).format(path=self._files.path, error=f"{error} {second}")
                ) from second
            raise MapError(
                N_(
                    "After the new map {path} was in place it gave wrong answers, so the earlier one was put back. "
                    "{error}"
                ).format(path=self._files.path, error=error)
            ) from error

    def _put_back(self, rows: Mapping[str, str]) -> None:
        if not self._plain:
            self._write_by_command(rows)
        elif self._files.map_type == "texthash":
            self._files.write_text(rows)
        else:
            self._files.build(rows)

    def _write_by_command(self, rows: Mapping[str, str]) -> None:
        self._files.write_text(rows)
        run_well(self._config.postmap_command)

    def _reload(self) -> None:
        self.problems = {}
        wanted = self._config.reload_postfix
        if wanted is True or (wanted == "auto" and self._files.map_type in _NEEDS_RELOAD):
            try:
                run_well(self._config.reload_command)
            except CommandError as error:
                self.problems["reload-failed"] = N_(
                    "The map is in place, but Postfix could not be told to reload. {error}"
                ).format(error=error)
