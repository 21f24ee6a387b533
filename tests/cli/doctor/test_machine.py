import ctypes
import os
from pathlib import Path

import pytest

from cli.doctor import machine
from cli.doctor.checks import Check, Finding, run_check
from cli.doctor.machine import disk, inotify
from cli.output import safe_text
from cli.server.facts import Facts
from schemas.config import Settings, load_settings
from tests.support.layout import Layout


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    paths = Layout(tmp_path)
    paths.make(0)
    paths.config.write_text(
        f'{{"state_dir": "{paths.state}", "runtime_dir": "{paths.runtime}", "virtual_alias_file": "{paths.map}"}}'
    )
    return load_settings(str(paths.config))


def processes(proc: Path, *, instances: int, watches: int, limits: tuple[int, int]) -> None:
    """Make a /proc in which one process of root's has so much of inotify."""
    for name, limit in zip(("max_user_instances", "max_user_watches"), limits, strict=True):
        path = proc / "sys/fs/inotify" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{limit}\n")
    for directory in ("7/fd", "7/fdinfo", "self/fd"):
        (proc / directory).mkdir(parents=True)
    for number in range(instances):
        (proc / "7/fd" / str(number)).symlink_to("anon_inode:inotify")
        lines = "pos:\t0\nflags:\t00\n" + "inotify wd:1 ino:1 sdev:1 mask:1\n" * (watches // instances)
        (proc / "7/fdinfo" / str(number)).write_text(lines)
    (proc / "7/fd/99999").symlink_to("/dev/null")


def look(check: Check, facts: Facts) -> list[Finding]:
    return list(run_check(check, facts))


@pytest.mark.needs("root")
def test_inotify_is_told_of_when_it_is_nearly_used_up(settings: Settings, tmp_path: Path) -> None:
    plenty, scarce = tmp_path / "plenty", tmp_path / "scarce"
    processes(plenty, instances=7, watches=14, limits=(10, 1000))
    fine = safe_text("Root's programs use 7 of 10 inotify instances.")
    assert look(inotify, Facts(settings, proc=str(plenty))) == [Finding("inotify", "ok", fine)]
    processes(scarce, instances=8, watches=80, limits=(10, 100))
    message = (
        "Root's programs use {} of what fs.inotify.{} allows ({}); without one of its own the watcher cannot start."
    )
    file = "/etc/sysctl.d/60-runv-email-alias.conf"
    fix = f"echo fs.inotify.{{}}={{}} >{file} && sysctl -p {file}"
    assert look(inotify, Facts(settings, proc=str(scarce))) == [
        Finding(
            "inotify",
            "warning",
            safe_text(message.format(8, "max_user_instances", 10)),
            fix.format("max_user_instances", 20),
        ),
        Finding(
            "inotify",
            "warning",
            safe_text(message.format(80, "max_user_watches", 100)),
            fix.format("max_user_watches", 200),
        ),
    ]


@pytest.mark.needs("root")
def test_the_real_kernel_is_counted(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    proc.mkdir()
    # Of all processes this one alone, whose descriptors nobody else changes meanwhile.
    (proc / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")
    before = machine.inotify_use(str(proc))
    libc = ctypes.CDLL(None)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    try:
        for path in (b"/tmp", b"/"):
            assert libc.inotify_add_watch(descriptor, path, 0x100) > 0
        assert machine.inotify_use(str(proc)) == (before.instances + 1, before.watches + 2)
    finally:
        os.close(descriptor)


def test_without_proc_it_is_a_warning_that_says_why(settings: Settings, tmp_path: Path) -> None:
    (found,) = look(inotify, Facts(settings, proc=str(tmp_path / "absent")))
    assert found.severity == "warning"


def test_a_disk_that_is_nearly_full_is_told_of(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    state = settings.config.state_dir
    assert look(disk, Facts(settings))[0].code == "disk"
    # A file system of the test's own would take a mount; what is judged here are the kernel's numbers alone.
    message = (
        f"The file system of {state} is nearly full: {{}} are left. Make room before requests and decisions have to "
        "wait."
    )
    for blocks, free, left in ((10_000_000, 90_000, "360000 KiB (0.9%)"), (20_000, 2_000, "8000 KiB (10.0%)")):
        numbers = (4096, 4096, blocks, free, free, 1000, 500, 500, 0, 255)
        monkeypatch.setattr("cli.doctor.machine.os.statvfs", lambda _, numbers=numbers: os.statvfs_result(numbers))
        assert look(disk, Facts(settings)) == [Finding("disk", "warning", safe_text(message.format(left)))]
    numbers = (4096, 4096, 20_000, 15, 15, 1000, 500, 500, 0, 255)
    monkeypatch.setattr("cli.doctor.machine.os.statvfs", lambda _: os.statvfs_result(numbers))
    assert look(disk, Facts(settings))[0].severity == "problem"
    inodes = (4096, 4096, 100000, 90000, 90000, 1000, 5, 5, 0, 255)
    monkeypatch.setattr("cli.doctor.machine.os.statvfs", lambda _: os.statvfs_result(inodes))
    message = f"The file system of {state} is nearly full: 5 inodes are left."
    assert look(disk, Facts(settings)) == [Finding("disk", "warning", safe_text(message))]
