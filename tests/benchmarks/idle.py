"""What the watcher costs while nothing happens."""

import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.bench import Ground, bench
from tests.benchmarks.figures import Figure, count

SIZES = (10, 10_000)
SETTLE_SECONDS = 2.0
WATCHED_SECONDS = 20.0


def idle(ground: Ground) -> Iterator[Figure]:
    """Context switches over all threads in 20 s, and resident memory."""
    for size in SIZES:
        with bench(ground, size) as both:
            pid = both.watcher.process.pid
            time.sleep(SETTLE_SECONDS)
            before = _switches(pid)
            time.sleep(WATCHED_SECONDS)
            switches = _switches(pid) - before
            memory = _status_number(Path("/proc", str(pid), "status"), "VmRSS") / 1024
        yield count(f"idle, {size:,} aliases: wake-ups in {WATCHED_SECONDS:g} s", switches, 3)
        yield count(f"idle, {size:,} aliases: resident memory", round(memory, 1), 30, " MiB")


def _switches(pid: int) -> int:
    return sum(
        _status_number(path, name)
        for path in Path("/proc", str(pid), "task").glob("*/status")
        for name in ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    )


def _status_number(path: Path, name: str) -> int:
    """One number of /proc/PID/status, see proc_pid_status(5)."""
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise AssertionError(f"{path} does not tell {name}")
