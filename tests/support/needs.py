"""What a test needs of the machine, and what happens where that is missing."""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from .mailconfig import PATH, MailConfig

_PROGRAMS = {
    "logrotate": "logrotate",
    "systemd-analyze": "systemd",
    "systemd-tmpfiles": "systemd",
    "lintian": "lintian",
    "man": "man-db",
    "openssl": "openssl",
}
"""Programs that single tests run, each with its package."""

_SERVERS: dict[str, Callable[[], object]] = {
    "mariadb-server": lambda: shutil.which("mariadbd", path=PATH),
    # Debian keeps each version's programs in a directory of its own.
    "postgresql": lambda: list(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
}
"""Packages of database servers, and how it is seen that they are installed."""


@functools.cache
def missing(need: str) -> str | None:
    """Say in a sentence what is missing for *need*, None if nothing.

    A need is root, accounts, namespaces, networks, sysctl, strace, container, packaging, mariadb-server, postgresql,
    postfix, postfix-<map type>, or one of the programs above.
    """
    if need == "root":
        return None if os.geteuid() == 0 else "This test must be run as root, to act as several accounts."
    if need == "accounts":
        return None if _can_preload("libnss_wrapper.so") else "This test needs the package libnss-wrapper."
    if need == "strace":
        return _why_not_traced()
    if need == "packaging":
        return _why_not_packaged()
    if need == "container":
        return _why_no_container()
    if need == "namespaces":
        return None if _can_unshare() else "This test needs a kernel that lets root make user namespaces."
    if need == "networks":
        return _why_no_networks()
    if need == "sysctl":
        writable = missing("root") is None and os.access("/proc/sys/fs/inotify/max_queued_events", os.W_OK)
        return None if writable else "This test needs a /proc/sys that root can write."
    if need in _SERVERS:
        return None if _SERVERS[need]() else f"This test needs the package {need}."
    if need == "postfix":
        return None if shutil.which("postmap", path=PATH) else "This test needs the package postfix."
    if need in _PROGRAMS:
        return None if shutil.which(need, path=PATH) else f"This test needs the package {_PROGRAMS[need]}."
    if need.startswith("postfix-"):
        return missing("postfix") or (
            None if need.removeprefix("postfix-") in _map_types() else f"This test needs the package {need}."
        )
    raise ValueError(f"no test can need {need!r}: not root, accounts, postfix, postfix-<map type>, a program")


def require(*needs: str) -> None:
    """Skip the present test, with a sentence, if something is missing; where CI=true is set, fail it.

    A run that is meant to be complete must not be green because it could not do its work.
    """
    # The system's interpreter asks `missing` too (tests/system/tree.py), and has no pytest.
    import pytest

    for need in needs:
        if sentence := missing(need):
            if os.environ.get("CI") == "true":
                pytest.fail(f"{sentence} (With CI=true nothing is skipped.)", pytrace=False)
            pytest.skip(sentence)


def _why_no_container() -> str | None:
    wanted = "Booting a Debian 13 in a container takes"
    if os.geteuid() != 0:
        return f"{wanted} root."
    for program, package in (("debootstrap", "debootstrap"), ("systemd-nspawn", "systemd-container")):
        if shutil.which(program, path=PATH) is None:
            return f"{wanted} the package {package}."
    command = ["/usr/bin/unshare", "--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "--cgroup", "true"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="backslashreplace").strip()
        return f"{wanted} namespaces, and there are none to be had: {said}"
    return None


def _why_not_packaged() -> str | None:
    programs = {"dpkg-buildpackage": "dpkg-dev", "dh": "debhelper", "dh_python3": "dh-python", "git": "git"}
    lacking = [package for program, package in programs.items() if shutil.which(program, path=PATH) is None]
    modules = {"build": "pybuild-plugin-pyproject", "click": "python3-click", "setuptools": "python3-setuptools"}
    for module, package in modules.items():
        # Debian's own interpreter runs the build, whichever runs the tests.
        command = ["/usr/bin/python3", "-I", "-c", f"import {module}"]
        if subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
            lacking.append(package)
    return f"Building the Debian package takes the packages {', '.join(lacking)}." if lacking else None


def _can_unshare() -> bool:
    done = subprocess.run(["/usr/bin/unshare", "--user", "true"], stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def _why_no_networks() -> str | None:
    wanted = "Joining network namespaces takes"
    if os.geteuid() != 0:
        return f"{wanted} root."
    if shutil.which("ip", path=PATH) is None:
        return f"{wanted} the package iproute2."
    pair = ["ip", "link", "add", "one", "type", "veth", "peer", "name", "two"]
    command = ["/usr/bin/unshare", "--net", "--", *pair]
    done = subprocess.run(command, env={"PATH": PATH}, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        return f"{wanted} veth(4), which is not to be had: {done.stderr.decode(errors='backslashreplace').strip()}"
    return None


def _can_preload(library: str) -> bool:
    """Whether the dynamic linker finds *library*; it says so on stderr when it does not, and goes on."""
    done = subprocess.run(
        ["/bin/true"], env={"LD_PRELOAD": library}, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False
    )
    return not done.stderr


def _why_not_traced() -> str | None:
    program = shutil.which("strace", path=PATH)
    if program is None:
        return "This test needs the package strace."
    done = subprocess.run(
        [program, "-qq", "-e", "trace=none", "/bin/true"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode == 0:
        return None
    said = done.stderr.decode(errors="backslashreplace").strip().splitlines()[-1:]
    return f"This test must be allowed to trace processes, ptrace(2), as containers often are not: {''.join(said)}"


@functools.cache
def _map_types() -> frozenset[str]:
    with tempfile.TemporaryDirectory() as directory:
        # With a configuration of its own: without one in /etc/postfix, postconf says nothing at all.
        config = MailConfig(Path(directory, "postfix"), maps="")
        return frozenset(config.run("postconf", "-m").stdout.split())
