"""The status file, written only when what it says has changed."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from schemas.documents import to_json
from schemas.errors import StateError
from schemas.files import Directory
from schemas.settings import Settings
from schemas.status import Conflict, Host, Published, Status, start_time
from schemas.times import now
from watcher import sentences
from watcher.notify import Notifier
from watcher.report.problems import Problems
from watcher.version import VERSION

MODE = 0o644
FOLDER_MODE = 0o755


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
        """The moment, on the monotonic clock, when the journal is to be told of something."""
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
        """Tell the state after a pass.

        Raises:
            OSError: the status file cannot be written.
            StateError: /proc does not tell when this process started.
        """
        config = self._settings.config
        started = start_time()
        if started is None:
            raise StateError("The file /proc/self/stat cannot be read. Mount proc on /proc.")
        status = Status(
            pid=os.getpid(),
            start_time=started,
            version=VERSION,
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
        line = sentences.STATUS_LINE if config.enabled else sentences.STATUS_OFF
        aliases = published.aliases if published else 0
        self._notifier.status(line.format(aliases=aliases, pending=pending, problems=len(problems)))
