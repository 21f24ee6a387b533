"""Where the journey is played: what a step prints, what it must show, and how its time is taken."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from watchdog.events import FileCreatedEvent, FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers.inotify import InotifyObserver

from tests.support.site import Site


class StepFailedError(Exception):
    """A step did not show what it must; the message says what."""


class Delivery:
    """How the stage asks where mail for an alias goes: by sending a message, or by asking the map."""

    def __init__(self, site: Site, *, by_mail: bool) -> None:
        self._site = site
        self._by_mail = by_mail

    def start(self) -> str:
        """Begin; say what is asked. The map must be there already: of one that comes later Postfix hears late."""
        if not self._by_mail:
            return "Not root: no Postfix is started, so the map is asked with postmap -q in place of sending mail."
        self._site.start_postfix()
        return "A Postfix of its own listens on a loopback port, and hands outside mail to an SMTP server beside it."

    def goes_to(self, alias: str, address: str, *, count: int = 1) -> str:
        """See mail for *alias* go to *address*, where it is message number *count*; say how that was seen."""
        if not self._by_mail:
            found = self._site.map_lookup(alias)
            _must(found == address, f"postmap -q {alias} gave {found!r}, and {address!r} was expected.")
            return f"postmap -q {alias} answers {address}."
        postfix, sink = self._site.postfix, self._site.sink
        if postfix is None or sink is None:
            raise StepFailedError("Postfix is not running.")
        reply = postfix.send(alias)
        _must(reply.accepted, f"Postfix refused mail for {alias}: {reply}.")
        sink.wait_for(address, count=count)
        return f"A message sent by SMTP to {alias} arrived at {address}."

    def goes_nowhere(self, alias: str) -> str:
        """See that there is no such alias; say how that was seen."""
        if not self._by_mail:
            found = self._site.map_lookup(alias)
            _must(found is None, f"postmap -q {alias} still answers {found!r}.")
            return f"postmap -q {alias} answers nothing."
        postfix = self._site.postfix
        if postfix is None:
            raise StepFailedError("Postfix is not running.")
        reply = postfix.send(alias)
        _must(reply.code == 550, f"Postfix was expected to know no {alias} (550), and said: {reply.code} {reply.text}")
        return f"Postfix refuses mail for {alias} at once: {reply.code} {reply.text}"


class Stopwatch:
    """Takes the time between two files' appearing: the marker in one directory, the map's table in another."""

    def __init__(self, first: Path, second: Path, name: str) -> None:
        self._seen: dict[str, float] = {}
        self._both = threading.Event()
        self._observer = InotifyObserver()
        self._start = _Mark(self, "first", None)
        self._observer.schedule(self._start, str(first), event_filter=[FileMovedEvent, FileCreatedEvent])
        self._end = _Mark(self, "second", name)
        self._observer.schedule(self._end, str(second), event_filter=[FileMovedEvent, FileCreatedEvent])

    def __enter__(self) -> Self:
        self._observer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._observer.stop()
        self._observer.join()

    def seen(self, which: str) -> None:
        """Note the moment at which *which* appeared, the first time."""
        self._seen.setdefault(which, time.perf_counter())
        if len(self._seen) == 2:
            self._both.set()

    def milliseconds(self) -> float:
        """The time between the two, once both have appeared."""
        _must(self._both.wait(10), "The map was not replaced within ten seconds of the decision.")
        return (self._seen["second"] - self._seen["first"]) * 1000


class _Mark(FileSystemEventHandler):
    def __init__(self, watch: Stopwatch, which: str, name: str | None) -> None:
        self._watch = watch
        self._which = which
        self._name = name

    def dispatch(self, event: FileSystemEvent) -> None:
        """Tell the stopwatch, if it is the file that is meant."""
        name = Path(str(event.dest_path or event.src_path)).name
        if not name.startswith(".") and self._name in {None, name}:
            self._watch.seen(self._which)


class Stage:
    """Prints the journey, step by step, and stops at the first one that does not hold."""

    def __init__(self, site: Site, delivery: Delivery) -> None:
        self.site = site
        self.delivery = delivery
        self._steps = 0

    def step(self, title: str) -> None:
        """Begin a step."""
        self._steps += 1
        self.say(f"\n{self._steps}. {title}")

    def say(self, text: str) -> None:
        """Print one thing that was seen."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def member(self, name: str, *arguments: str, status: int = 0, shows: str = "") -> None:
        """Run the member's command as *name*; it must end with *status* and show *shows*."""
        done = self.site.member(name, *arguments)
        self._show(f"{name}$ runv-email-alias {' '.join(arguments)}", done.stdout + done.stderr)
        self._check(done.returncode, status, done.stdout + done.stderr, shows)

    def admin(self, *arguments: str, status: int = 0, shows: str = "") -> None:
        """Run the administrator's command; it must end with *status* and show *shows*."""
        done = self.site.admin(*arguments)
        shown = [f"'{word}'" if " " in word else word for word in arguments]
        self._show(f"admin# runv-admin-email-alias {' '.join(shown)}", done.stdout + done.stderr)
        self._check(done.returncode, status, done.stdout + done.stderr, shows)

    def timed(self, action: Callable[[], None]) -> None:
        """Do *action*, which decides something, and say how long after the decision the map was live."""
        paths = self.site.paths
        with Stopwatch(paths.decisions, paths.map.parent, f"{paths.map.name}.db") as stopwatch:
            action()
            self.say(f"   The map was live {stopwatch.milliseconds():.0f} ms after the decision was dropped.")

    def _show(self, prompt: str, output: str) -> None:
        self.say(f"   {prompt}")
        for line in output.splitlines():
            self.say(f"     {line}".rstrip())

    def _check(self, found: int, expected: int, output: str, shows: str) -> None:
        _must(found == expected, f"That ended with exit status {found}, and {expected} was expected.")
        _must(shows in output, f"That was expected to show: {shows}")


def _must(held: bool, otherwise: str) -> None:
    if not held:
        raise StepFailedError(otherwise)
