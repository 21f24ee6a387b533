"""The status file: what is wrong and since when, written only when what it says has changed."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

import msgspec

from schemas.config import Settings
from schemas.errors import StateError
from schemas.fs.directory import Directory
from schemas.json_records import to_json
from schemas.program import installed_version
from schemas.status import Conflict, Host, Problem, Published, Status, start_time
from schemas.text import N_
from schemas.times import now
from watcher.rate_limit import RateLimit
from watcher.systemd import Notifier

MODE = 0o644
FOLDER_MODE = 0o755
LOGGED_AT_ONCE = 4
"""How often within a minute the journal says that a problem has come or gone: a member can make directories by the
second."""

log = logging.getLogger("runv.report")


class Problems:
    """Compares each pass's problems with those before: one that stays keeps its beginning and is logged once.

    Attributes:
        rate_limit: what the journal has counted and is still to say.
    """

    def __init__(self) -> None:
        self._known: dict[str, Problem] = {}
        self.rate_limit = RateLimit(log)

    def update(self, found: dict[str, str]) -> list[Problem]:
        """Take the problems of a pass, messages by code, and give them with their beginnings."""
        self.rate_limit.flush()
        for code in self._known.keys() - found.keys():
            self._log(logging.INFO, ("gone", code), f"No longer a problem: {code}.")
        now_known: dict[str, Problem] = {}
        for code, message in found.items():
            before = self._known.get(code)
            if before is None:
                self._log(logging.ERROR, ("come", code), f"Problem: {message}")
            now_known[code] = Problem(code, message, before.since if before else now())
        self._known = now_known
        return list(now_known.values())

    def _log(self, level: int, about: tuple[str, str], line: str) -> None:
        self.rate_limit.say(
            level,
            about,
            line,
            lambda total: f"{line} (This happened {total} times more meanwhile.)",
            at_once=LOGGED_AT_ONCE,
        )


class Report:
    """Writes `status.json` in the runtime directory, and systemd's status line."""

    def __init__(self, settings: Settings, problems: Problems, notifier: Notifier, started_at: str) -> None:
        self._settings = settings
        self._problems = problems
        self._notifier = notifier
        self._started_at = started_at
        self._written: Status | None = None

    @property
    def due(self) -> float | None:
        """When, on the monotonic clock, the journal is to say what was counted."""
        return self._problems.rate_limit.next_due

    def write(
        self,
        *,
        published: Published | None,
        pending: int,
        refused: int,
        left_alone: int,
        problems: dict[str, str],
        conflicts: Sequence[Conflict] = (),
        hosts: Sequence[Host] = (),
    ) -> None:
        """Write the state after a pass, where it has changed.

        Raises:
            OSError: the status file cannot be written.
            StateError: when this process started is not to be read from /proc.
        """
        config = self._settings.config
        started = start_time()
        if started is None:
            raise StateError("The file /proc/self/stat cannot be read. Mount proc on /proc.")
        status = Status(
            pid=os.getpid(),
            start_time=started,
            version=installed_version(),
            started_at=self._started_at,
            updated_at=self._written.updated_at if self._written else now(),
            backend=config.backend,
            enabled=config.enabled,
            published=published,
            pending=pending,
            refused=refused,
            left_alone=left_alone,
            problems=self._problems.update(problems),
            conflicts=list(conflicts),
            hosts=list(hosts),
        )
        if status == self._written and os.path.lexists(os.path.join(config.runtime_dir, "status.json")):
            return
        status = msgspec.structs.replace(status, updated_at=now())
        parent, name = os.path.split(os.path.normpath(config.runtime_dir))
        with Directory(parent) as above:
            above.make(name, FOLDER_MODE)
        with Directory(config.runtime_dir) as directory:
            directory.write("status.json", to_json(status), MODE)
        self._written = status
        line = (
            N_("{aliases} aliases published, {pending} requests pending, {problems} problems")
            if config.enabled
            else N_("publishing is off (enabled: false), {pending} requests pending, {problems} problems")
        )
        aliases = published.aliases if published else 0
        self._notifier.status(line.format(aliases=aliases, pending=pending, problems=len(problems)))
