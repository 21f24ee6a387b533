"""The root file system of a Debian 13 mail server, made once by debootstrap(8) and kept between runs."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..support.needs import missing

CACHE = Path(os.environ.get("RUNV_TEST_CACHE") or "/var/cache/runv-email-alias-tests")
"""Where it is kept: some 500 MB. RUNV_TEST_CACHE names another place."""

SUITE = "trixie"
_FIRST = (
    "dbus",
    "iproute2",
    "logrotate",
    "make",
    "procps",
    "python3",
    "python3-aiosmtpd",
    "python3-click",
    "python3-email-validator",
    "python3-msgspec",
    "python3-venv",
    "python3-watchdog",
    "sudo",
    "systemd",
    "systemd-sysv",
)
_THEN = ("postfix", "postfix-lmdb", "postsrsd")
"""Packages whose installation asks for more than debootstrap's own way of configuring gives."""

_RECIPE = f"2 {SUITE} {_FIRST} {_THEN}"


def made() -> Path:
    """Give the tree, made now if it is not there; nobody may change it.

    Raises AssertionError with what debootstrap or apt said, where it cannot be made.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    tree = CACHE / f"{SUITE}-{hashlib.sha256(_RECIPE.encode()).hexdigest()[:12]}"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.exists():
            for old in CACHE.glob(f"{SUITE}-*"):
                shutil.rmtree(old)
            unfinished = CACHE / f"{SUITE}-unfinished"
            _make(unfinished)
            unfinished.rename(tree)
    return tree


def _make(tree: Path) -> None:
    _run("debootstrap", "--variant=minbase", f"--include={','.join(_FIRST)}", SUITE, str(tree))
    # Nothing may start while it is installed: it would run outside, beside the services of the machine itself.
    refusal = tree / "usr/sbin/policy-rc.d"
    refusal.write_text("#!/bin/sh\nexit 101\n")
    refusal.chmod(0o755)
    answers = "postfix postfix/main_mailer_type select Local only\npostfix postfix/mailname string runv.example\n"
    _run("chroot", str(tree), "debconf-set-selections", given=answers)
    _run("chroot", str(tree), "apt-get", "install", "-qq", "-y", "--no-install-recommends", *_THEN)
    _run("chroot", str(tree), "apt-get", "clean")
    refusal.unlink()


def _run(*command: str, given: str = "") -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"[-4000:])


def main() -> None:
    """Make it where it is not there; where nothing can be booted here, say why, and leave it to the tests to go on."""
    if why := missing("container"):
        sys.stderr.write(f"{why}\n")
        return
    try:
        made()
    except AssertionError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
