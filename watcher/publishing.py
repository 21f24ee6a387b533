"""The step of a pass that keeps the map in line with the registry, and says what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.errors import ExpectedError, error_text
from schemas.registry import Registry
from schemas.status import Published
from schemas.text import N_
from schemas.times import now
from watcher import audit
from watcher.context import Context
from watcher.decide.markers import Marker
from watcher.publish.plan import MassChangeError, Plan
from watcher.publish.publisher import Publisher


@dataclass
class PublishResult:
    """What the step came to.

    Attributes:
        changes: what the change counts for in a burst: 2 where more came meanwhile, else 0.
        failed: whether the map is not in line with the registry.
        again: whether it is to be tried again by the clock.
        problems: messages, by problem code.
    """

    changes: int = 0
    failed: bool = False
    again: bool = False
    problems: dict[str, str] = field(default_factory=dict)


class PublishStep:
    """Takes the step in *context*.

    Args:
        context: what is open for the configuration.
        woken: whether something has happened since the pass began.
        published: what the map is known to answer for.

    Attributes:
        published: the same, as the steps so far leave it.
    """

    def __init__(self, context: Context, woken: Callable[[], bool], published: Published | None) -> None:
        self._context = context
        self._woken = woken
        self.published = published
        # From one step to the next:
        #   _in_line   the registry that the map was last brought into line with
        #   _failed    the publish that failed last, so that it is not tried again at each event
        #   _audited   the SHA-256 of the registry that the audit log's last `published` line names
        self._in_line: Registry | None = None
        self._failed: _FailedPublish | None = None
        self._audited = context.audit.last_published()

    def take(
        self, registry: Registry, force: Marker | None, *, by_hand: bool, waits: bool, asked: bool = False
    ) -> PublishResult:
        """Bring the map into line with *registry*, if publishing is on.

        Args:
            registry: the registry.
            force: the marker that forces a publish of just this registry.
            by_hand: whether nothing but an edit can have changed the registry.
            waits: whether what failed before is not to be tried again yet.
            asked: whether an administrator wants the map looked at.
        """
        result = PublishResult()
        context = self._context
        if not context.settings.config.enabled:
            return result
        forced = force is not None
        failed, self._failed = self._failed, None
        if failed is not None and waits and not asked and failed.unchanged(registry, context.publisher, forced=forced):
            # This pass was woken by our own files in the map's directory; the next try comes by the clock.
            self._failed = failed
            result.problems["publish-failed"] = failed.message
            result.failed = True
        else:
            self._publish(registry, force, result, by_hand=by_hand, asked=asked)
        result.problems.update(context.publisher.problems)
        if (message := context.map_check.trouble()) is not None:
            result.problems["map-not-used"] = message
        return result

    def _publish(
        self, registry: Registry, force: Marker | None, result: PublishResult, *, by_hand: bool, asked: bool
    ) -> None:
        context = self._context
        forced = force is not None
        try:
            drifted = context.publisher.drifted(asked=asked or forced)
            if forced or drifted or registry is not self._in_line:
                new_registry = registry is not self._in_line
                by_hand &= new_registry
                plan = context.publisher.publish(registry, forced=forced)
                self._audit(registry, plan, force)
                self._in_line = registry
                aliases = len(registry.rows()) - len(context.publisher.conflicts)
                if new_registry or plan is not None or self.published is None or self.published.aliases != aliases:
                    self.published = Published(registry.sha256, now(), aliases)
                # More changes while the last one was being published are a burst; one after another is not.
                result.changes = 2 if by_hand and self._woken() else 0
        except MassChangeError as error:
            result.problems["publish-held"] = str(error)
            result.failed = True
        except (OSError, ExpectedError) as error:
            path = context.settings.config.map_path
            message = N_("The map {path} could not be brought up to date; the earlier one stays. {error}").format(
                path=path, error=str(error) if isinstance(error, ExpectedError) else f"{error_text(error)}."
            )
            result.problems["publish-failed"] = message
            result.failed = result.again = True
            self._failed = _FailedPublish(registry, context.publisher.found(), forced, message)

    def _audit(self, registry: Registry, plan: Plan | None, force: Marker | None) -> None:
        # A cdb is made anew at every start, with the same in it, since nobody can list it.
        nothing_new = plan is None or (plan.empty and self._in_line is None)
        if nothing_new and registry.sha256 == self._audited:
            return
        operator = force.decision.operator if force else None
        self._context.audit.add(audit.of_publish(self._audited, registry, plan, operator))
        self._audited = registry.sha256


@dataclass(frozen=True)
class _FailedPublish:
    """A publish that failed: of which registry, what lay there afterwards, whether it was forced, and the message."""

    registry: Registry
    found: object
    forced: bool
    message: str

    def unchanged(self, registry: Registry, publisher: Publisher, *, forced: bool) -> bool:
        # A force that has only just come may let pass what was held back, or wants to see it tried.
        return registry is self.registry and forced <= self.forced and publisher.found() == self.found
