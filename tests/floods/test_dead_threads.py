"""A thread of watchdog that dies by a fault takes the process with it: alive and deaf is the worst that it could be."""

import pytest

from ..e2e.acts import ask
from ..support.site import Site

# A watcher in which one call of one thread fails as soon as a certain file is there.
_FAULTY = """
import importlib, os, sys, threading, time
module, owner, method, flag, _, *sys.argv[1:] = sys.argv[1:]
owner = getattr(importlib.import_module(module), owner)
real = getattr(owner, method)

def faulty(self, *arguments, **options):
    result = real(self, *arguments, **options)
    if os.path.exists(flag):
        raise OSError(5, "Input/output error")
    return result

setattr(owner, method, faulty)
end = threading.Thread._delete

def slowly(self):
    if os.path.exists(flag):
        time.sleep(0.5)
    end(self)

# It is alive for a while after it has told that it ends.
threading.Thread._delete = slowly
from watcher.main import main
main()
"""


def reader() -> tuple[str, str, str]:
    """What reads events from the kernel; watchdog 7 has it under another name."""
    from watchdog.observers import inotify_c

    name = "InotifyFD" if hasattr(inotify_c, "InotifyFD") else "Inotify"
    return "watchdog.observers.inotify_c", name, "read_events"


THREADS = {
    "the reader": reader(),
    "an emitter": ("watchdog.observers.inotify", "InotifyEmitter", "queue_events"),
    "the dispatcher": ("watchdog.observers.inotify", "InotifyObserver", "dispatch_events"),
}


@pytest.mark.parametrize("thread", THREADS)
def test_a_thread_that_dies_by_a_fault_ends_the_process(site: Site, thread: str) -> None:
    site.accounts.add_many(["pablo", "maria"])
    flag = site.root / "fault"
    faulty = [str(site.installation.python), "-c", _FAULTY, *THREADS[thread], str(flag)]
    watcher = site.spawn_watcher(before=faulty)
    watcher.wait_ready()
    ask(site, "pablo", "p@example.org")

    watcher.wait_quiet()
    flag.touch()
    site.drop("maria", "ask.json", {"destination": "m@example.org"})

    assert watcher.wait_exit() == 1
    assert watcher.log.splitlines()[-1] == (
        "A thread that watches for changes has ended by a fault. The watcher ends, so that it is started afresh."
    )
    assert watcher.notify.lines[-1] == "STOPPING=1"
    site.start_watcher()
    assert site.pending("maria") is not None
