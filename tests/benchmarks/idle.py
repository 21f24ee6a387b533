"""What the watcher costs while nothing happens."""

import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.bench import Ground, bench
from tests.benchmarks.figures import Figure, count, told

MANY = 10_000
SETTLE_SECONDS = 2.0
WATCHED_SECONDS = 20.0


def idle(ground: Ground) -> Iterator[Figure]:
    """Context switches over all threads, voluntary or not, in 20 s, and resident memory."""
    switches, memory = _measured(ground, 10)
    yield count(f"idle: wake-ups in {WATCHED_SECONDS:g} s", switches, 3)
    yield count("idle: resident memory", memory, 30, " MiB")
    # What it keeps of the registry comes on top, whatever it does; that is told, and held against nothing.
    switches, memory = _measured(ground, MANY)
    yield count(f"idle, {MANY:,} aliases: wake-ups in {WATCHED_SECONDS:g} s", switches, 3)
    yield told(f"idle, {MANY:,} aliases: resident memory", f"{memory:g} MiB")


def _measured(ground: Ground, aliases: int) -> tuple[int, float]:
    with bench(ground, aliases) as both:
        pid = both.watcher.process.pid
        time.sleep(SETTLE_SECONDS)
        before = switches_of(pid)
        time.sleep(WATCHED_SECONDS)
        return switches_of(pid) - before, memory_of(pid)


def switches_of(pid: int) -> int:
    """How often its threads have gone to sleep, or were put aside, so far."""
    return sum(
        _status_number(path, name)
        for path in Path("/proc", str(pid), "task").glob("*/status")
        for name in ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    )


def memory_of(pid: int) -> float:
    """What is resident of it, in MiB."""
    return round(_status_number(Path("/proc", str(pid), "status"), "VmRSS") / 1024, 1)


def _status_number(path: Path, name: str) -> int:
    """One number of /proc/PID/status, see proc_pid_status(5)."""
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise AssertionError(f"{path} does not tell {name}")
