"""Limits of the kernel, lowered for a watcher that must bear them."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .mailconfig import PATH
from .site import Site
from .watcher import RunningWatcher


@contextmanager
def event_queue(length: int | None) -> Iterator[None]:
    """Let the kernel keep no more than *length* events for whoever begins to watch meanwhile; None: as many as ever.

    This is the whole machine's limit, so it is lowered for no longer than a watcher takes to start.
    """
    if length is None:
        yield
        return
    path = Path("/proc/sys/fs/inotify/max_queued_events")
    before = path.read_text()
    try:
        path.write_text(str(length))
        yield
    finally:
        path.write_text(before)


def spawn_watcher_with_limits(site: Site, limits: Mapping[str, int]) -> RunningWatcher:
    """Start the watcher in a user namespace of its own, where *limits* of /proc/sys/user hold, see namespaces(7).

    Its uids are those outside, so that members are who they are.
    """
    gate = site.root / f"gate-{len(site.watchers)}"
    os.mkfifo(gate)
    gate.chmod(0o666)
    wait_at_the_gate = 'read -r _ < "$1"; shift; exec "$@"'
    watcher = site.spawn_watcher(before=["unshare", "--user", "sh", "-c", wait_at_the_gate, "sh", str(gate)])
    with gate.open("w") as opened:  # by now it is in its namespace, and reads
        for kind in ("uid_map", "gid_map"):
            Path("/proc", str(watcher.process.pid), kind).write_text("0 0 65536\n")
        limit(watcher, limits)
        opened.write("\n")
    return watcher


def limit(watcher: RunningWatcher, limits: Mapping[str, int]) -> None:
    """Set *limits* in the namespace of a watcher that has one of its own."""
    for name, value in limits.items():
        subprocess.run(
            ["/usr/bin/nsenter", "--user", f"--target={watcher.process.pid}", "tee", f"/proc/sys/user/{name}"],
            input=str(value).encode(),
            stdout=subprocess.DEVNULL,
            env={"PATH": PATH},
            check=True,
        )
