"""The life of one watcher: watch, make a pass, wait, until it is asked to stop; and a configuration that changes.

`Service.run` is the life, `Service._turn` one turn of its loop, `watcher.passes` what a pass does.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from types import FrameType

from schemas.addresses import warm_up
from schemas.config import SIZE_LIMIT, Settings, config_path, load_settings
from schemas.errors import ConfigError, ExpectedError, StateError, error_text
from schemas.fs.directory import Signature, just_changed, read_plain, signature_of
from schemas.program import installed_version
from schemas.status import Published
from schemas.text import N_
from schemas.times import now
from watcher.context import Context, SecondWatcherError
from watcher.orphan_search import OrphanMemory
from watcher.passes import Passes, PassResult
from watcher.status import Problems
from watcher.systemd import Notifier
from watcher.wake import Wake
from watcher.watch import DirectoryWatcher, WatchBrokenError, pinned_directories_of, watches_of

CHECK_SECONDS = 30.0
"""How often the watches are checked when nothing happens."""
MISSING_SECONDS = 10.0
"""How long a missing directory is waited for before the process ends, for systemd to start it afresh."""
MISSING_INTERVAL = 0.5
DYING_SECONDS = 1.0
"""How long a thread that ends by a fault may take for that."""

log = logging.getLogger("runv.watcher")


class Service:
    """A watcher for the configuration at *path*, or at its usual place.

    Raises:
        ConfigError: the configuration cannot be used.
    """

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self._config_file = ConfigFile(config_path(path))
        self._settings = load_settings(path)
        warm_up()
        self._notifier = Notifier()
        self._problems = Problems()
        self._started_at = now()
        self._wake = Wake()
        # Twice within the time after which systemd would take the silence for death, see sd_watchdog_enabled(3).
        self._check_seconds = min(CHECK_SECONDS, self._notifier.watchdog_seconds / 2 or CHECK_SECONDS)
        # What is open for the present configuration; `None` while there is none, and while directories are missing.
        self._directories: DirectoryWatcher | None = None
        self._context: Context | None = None
        self._passes: Passes | None = None
        # What the loop knows from one turn to the next:
        #   _stopping         SIGTERM or SIGINT came
        #   _reload_asked     SIGHUP came, and the configuration was not read since
        #   _dead_threads     threads that a fault has ended, or is just ending
        #   _more             the last pass left work that the next one goes on with at once
        #   _had_problems     the last pass found problems, of whose end no event may tell
        #   _checked_at       when the watches were last found good
        #   _config_problems  why the configuration that stands in the file is not the one that holds, by problem code
        self._stopping = False
        self._reload_asked = False
        self._dead_threads: list[threading.Thread | None] = []
        self._more = False
        self._had_problems = False
        self._checked_at = 0.0
        self._config_problems: dict[str, str] = {}
        # What outlives a context: the refusals counted, what the map answers for, and which members were seen.
        self._refused = 0
        self._published: Published | None = None
        self._orphan_memory = OrphanMemory()

    def once(self) -> PassResult:
        """Make passes until nothing more is to be done at once, and give the last one's result.

        Raises:
            SecondWatcherError, StateError, OSError: as `watcher.context.Context`.
        """
        with Context(self._settings, self._problems, self._notifier, self._started_at) as context:
            passes = Passes(context, lambda: False)
            while True:
                result = passes.run({})
                until = context.orphans.suspicious_until
                if until is not None and not result.more:
                    time.sleep(max(0.0, until - time.monotonic()))
                elif not result.more:
                    return result

    def run(self) -> None:
        """Watch until SIGTERM or SIGINT.

        Raises:
            SecondWatcherError, StateError, OSError: as `watcher.context.Context`.
            WatchBrokenError: watching has broken in a way that only a new process mends.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        threading.excepthook = self._on_dead_thread
        try:
            self._open()
            self._log_start()
            if self._passes is not None:
                self._passes.announce(self._config_problems)
            self._pass()
            self._notifier.ready()
            while not self._stopping:
                self._turn()
        finally:
            self._notifier.stopping()
            self._close()
        log.info("Stopped on request.")

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._wake.nudge()

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload_asked = True
        # From here and not only when its turn comes: systemd waits for the end of what has begun when its own command
        # for it (ExecReload=) is through.
        self._notifier.reloading()
        self._wake.nudge()

    def _on_dead_thread(self, arguments: threading.ExceptHookArgs) -> None:
        threading.__excepthook__(arguments)
        # It is still alive while it runs this, and nothing else reports its end.
        self._dead_threads.append(arguments.thread)
        # No event comes through it any more; after the pass the threads are checked.
        self._wake.now()

    def _turn(self) -> None:
        """Wait until something is due, then read the configuration again, make a pass, and check the watches."""
        pass_due = self._passes.due if self._passes else None
        check_due = self._checked_at + self._check_seconds
        timer = min(pass_due, check_due) if pass_due is not None else check_due
        # No event tells of what changed while the watches were set anew.
        at_once = self._more or self._muted or self._config_file.changed()
        woken = at_once or self._wake.wait(timer, lambda: self._stopping or self._reload_asked)
        if self._stopping:
            return
        if self._reload_asked or self._config_file.changed():
            self._reload()
            woken = True
        present = time.monotonic()
        pass_is_due = pass_due is not None and pass_due <= present
        if woken or pass_is_due or (check_due <= present and self._check_needs_pass()):
            self._pass()
        self._check_watches()

    def _pass(self) -> None:
        passes = self._passes
        if passes is None:
            return
        # Before the muted directories are watched again: no event tells of what came meanwhile, so it is scanned for.
        scan = self._wake.begin_pass() or self._muted
        if self._directories is not None:
            self._directories.unmute(patient=self._more)
        result = passes.run(self._config_problems, scan=scan or not self._more)
        self._wake.end_pass(result.changes)
        self._more = result.more
        self._had_problems = bool(result.problems)

    @property
    def _muted(self) -> bool:
        return self._directories is not None and self._directories.muted

    def _check_needs_pass(self) -> bool:
        # The end of a problem is not always an event, nor is the beginning of one with the queue directory.
        if self._had_problems or self._context is None:
            return self._had_problems
        # The pass before may have asked long ago which group is the members'.
        self._context.accounts.forget()
        try:
            return self._context.intake.directory.look()
        except (OSError, StateError):
            return True  # the pass reports it, and tries again

    def _check_watches(self) -> None:
        while self._dead_threads:
            if (thread := self._dead_threads.pop()) is not None:
                thread.join(DYING_SECONDS)
        # In this order: `broken` asks the queue for its identity, which what is mounted over it may never answer.
        try:
            replaced = self._context is not None and self._context.intake.directory.replaced()
        except (OSError, StateError):
            # What lies over the queue is not known, so nothing is asked of it. A pass looks again, and reports it.
            self._had_problems = True
        else:
            if self._directories is not None and (replaced or self._directories.broken()):
                self._close_context()
                self._open()
                log.warning("A watched directory was replaced; watching was set up anew.")
                self._pass()
        self._checked_at = time.monotonic()
        self._notifier.alive()

    def _open(self) -> None:
        # The state is read only after the watches stand: whatever changes from then on is an event.
        self._start_watching()
        if self._stopping:
            return
        self._context = Context(self._settings, self._problems, self._notifier, self._started_at, self._orphan_memory)
        self._context.intake.go_on_from(self._refused)
        if self._directories is not None:
            self._directories.pin()
        self._passes = Passes(self._context, self._wake.pending, self._published)
        self._checked_at = time.monotonic()

    def _start_watching(self) -> None:
        _make_decisions_directory(self._settings)
        if self._directories is not None:
            self._directories.stop()
        deadline = time.monotonic() + MISSING_SECONDS
        while not self._stopping:
            directories = self._directories = DirectoryWatcher(
                watches_of(self._settings), pinned_directories_of(self._settings), self._wake
            )
            try:
                directories.start()
            except FileNotFoundError as error:
                if time.monotonic() >= deadline:
                    raise WatchBrokenError(_directory_missing(str(error))) from error
                self._wake.begin_pass()
                self._wake.wait(time.monotonic() + MISSING_INTERVAL, lambda: self._stopping)
            else:
                return

    def _reload(self) -> None:
        self._reload_asked = False
        self._notifier.reloading()
        before = self._settings
        try:
            existed = self._config_file.exists
            self._config_file = ConfigFile(before.path)
            # Without a file the defaults hold, but one that vanishes is more likely being replaced just now.
            settings = load_settings(before.path if existed else self._path)
        except ConfigError as error:
            self._config_problems = _config_invalid(" ".join(str(error).split("\n")))
        else:
            self._config_problems = {}
            try:
                _refuse_missing(settings, self._wake)
                self._reopen(settings)
                self._log_start()
            except (OSError, StateError, SecondWatcherError) as error:
                self._config_problems = _config_invalid(f"{error_text(error)}.")
                if self._settings is not before:
                    self._reopen(before)
        log.info("The configuration was read again.")
        # Whoever asked meanwhile is answered by the reload that follows.
        if not self._reload_asked:
            self._notifier.ready()

    def _reopen(self, settings: Settings) -> None:
        self._close_context()
        if _map_of(settings) != _map_of(self._settings):
            self._published = None
        if settings.config.group != self._settings.config.group:
            # Who was a member of another group has not left this one.
            self._orphan_memory.forget()
        self._settings = settings
        self._open()

    def _log_start(self) -> None:
        config = self._settings.config
        publishing = "on" if config.enabled else "off"
        log.info(
            f"Started: version {installed_version()}, {config.backend}, publishing is {publishing}, state in "
            f"{config.state_dir}."
        )
        if config.auto_sync_on_approve is not None:
            log.warning(
                f"The key auto_sync_on_approve in {self._settings.path} has no effect any more: every change is "
                "published at once."
            )

    def _close_context(self) -> None:
        context, passes = self._context, self._passes
        self._context = self._passes = None
        if context is not None and passes is not None:
            self._published = passes.published
            self._refused = context.intake.refused
            context.close()

    def _close(self) -> None:
        if self._directories is not None:
            self._directories.stop()
        self._close_context()
        self._problems.rate_limit.close()


class ConfigFile:
    """The file *path* as it is now. Made before it is read, so that what changes meanwhile is a change.

    A signature alone does not do while the file is young: two changes in one tick of the clock have the same. So the
    contents are kept besides, until the file has been left alone.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._signature = self._present_signature()
        self._data = self._read() if self._young() else None

    @property
    def exists(self) -> bool:
        """Whether there was such a file."""
        return self._signature is not None

    def changed(self) -> bool:
        """Whether it is another now."""
        if self._present_signature() != self._signature:
            return True
        if self._data is None:
            return False
        same = self._read() == self._data
        if same and not self._young():
            self._data = None
        return not same

    def _young(self) -> bool:
        return self._signature is not None and just_changed(self._signature.mtime_ns)

    def _present_signature(self) -> Signature | None:
        try:
            return signature_of(os.stat(self._path))
        except OSError:
            return None

    def _read(self) -> bytes:
        try:
            return read_plain(self._path, SIZE_LIMIT).data
        except (OSError, ExpectedError):
            # Whoever loads it says why.
            return b""


def _config_invalid(error: str) -> dict[str, str]:
    message = N_("The configuration was changed to something that cannot be used; the earlier one still holds. {error}")
    return {"config-invalid": message.format(error=error)}


def _directory_missing(path: str) -> str:
    return N_(
        "The directory {path} is not there. Make it with the owner and mode that the administrator's guide tells."
    ).format(path=path)


def _map_of(settings: Settings) -> tuple[object, ...]:
    config = settings.config
    return config.enabled, config.map_name, config.database, settings.registry


def _refuse_missing(settings: Settings, wake: Wake) -> None:
    _make_decisions_directory(settings)
    missing = DirectoryWatcher(watches_of(settings), [], wake).missing()
    above = os.path.dirname(os.path.normpath(settings.config.runtime_dir))
    if not os.path.isdir(above):
        missing.append(above)
    if missing:
        raise StateError(_directory_missing(missing[0]))


def _make_decisions_directory(settings: Settings) -> None:
    parent, name = os.path.split(settings.decisions)
    try:
        os.mkdir(os.path.join(parent, name), 0o700)
    except OSError:
        # It is there, or its parent is not: watching says so.
        return
