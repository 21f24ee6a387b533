"""The root file systems of Debian 13 mail servers, made once by debootstrap(8) and kept between runs."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..support.needs import missing

CACHE = Path(os.environ.get("RUNV_TEST_CACHE") or "/var/cache/runv-email-alias-tests")
"""Where they are kept: some 2.7 GB. RUNV_TEST_CACHE names another place."""

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
_DATABASES = (
    "mariadb-server",
    "postfix-mysql",
    "postfix-pgsql",
    "postfix-sqlite",
    "postgresql",
    "python3-psycopg",
    "python3-pymysql",
    "python3-sqlalchemy",
)

_LIBRARIES = ("python3-babel", "python3-hypothesis", "python3-jsonschema", "python3-packaging", "python3-pytest")
"""What the tests import, besides what the programs do."""
_CHECKOUT = Path(__file__).parents[2]


def made() -> Path:
    """Give a mail server's tree, made now if it is not there; nobody may change it.

    Raises AssertionError with what debootstrap or apt said, where it cannot be made.
    """
    return _kept("mail", _make)


def made_with_databases() -> Path:
    """Give the tree of one that has MariaDB and PostgreSQL besides, in the same way.

    It is another one, since it is three times as large, and every machine begins with a copy.
    """
    mail = made()

    def make(tree: Path) -> None:
        _run("cp", "-a", "--reflink=auto", str(mail), str(tree))
        small = tree / "etc/mysql/conf.d/small.cnf"
        small.parent.mkdir(parents=True)
        small.write_text("[mariadbd]\ninnodb_log_file_size = 4M\n")
        _run("chroot", str(tree), "apt-get", "update", "-qq")
        _install(tree, _DATABASES)

    return _kept("databases", make)


def made_for_tests() -> Path:
    """Give the tree in which the other tests run, with all that they run and import, in the same way.

    It is another one, since a server that is booted has neither compilers of packages nor libraries of tests.
    """
    databases = made_with_databases()

    def make(tree: Path) -> None:
        _run("cp", "-a", "--reflink=auto", str(databases), str(tree))
        _run("chroot", str(tree), "apt-get", "update", "-qq")
        _install(tree, _testing())

    return _kept("tests", make)


def _testing() -> tuple[str, ...]:
    named = _run("/bin/sh", str(_CHECKOUT / "tests/setup/packages"), "naming")
    return (*named.split(), *_LIBRARIES)


def _places() -> dict[str, Path]:
    """Where each tree lies: under a name that another list of packages changes."""
    mail = f"3 {SUITE} {_FIRST} {_THEN}"
    recipes = {"mail": mail, "databases": f"{mail} {_DATABASES}", "tests": f"{mail} {_DATABASES} {_testing()}"}
    return {
        name: CACHE / f"{SUITE}-{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
        for name, recipe in recipes.items()
    }


def _kept(name: str, make: Callable[[Path], None]) -> Path:
    places = _places()
    tree = places[name]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.exists():
            for old in set(CACHE.glob(f"{SUITE}-*")) - set(places.values()):
                shutil.rmtree(old)
            unfinished = CACHE / f"{SUITE}-unfinished"
            make(unfinished)
            unfinished.rename(tree)
    return tree


def _make(tree: Path) -> None:
    _run("debootstrap", "--variant=minbase", f"--include={','.join(_FIRST)}", SUITE, str(tree))
    answers = "postfix postfix/main_mailer_type select Local only\npostfix postfix/mailname string runv.example\n"
    _run("chroot", str(tree), "debconf-set-selections", given=answers)
    _install(tree, _THEN)


def _install(tree: Path, packages: Sequence[str]) -> None:
    # Nothing may start while it is installed: it would run outside, beside the services of the machine itself.
    refusal = tree / "usr/sbin/policy-rc.d"
    refusal.write_text("#!/bin/sh\nexit 101\n")
    refusal.chmod(0o755)
    # One that is cut short is made anew, so nothing has to be on the disk before the next is unpacked.
    quickly = ("-o", "Dpkg::Options::=--force-unsafe-io")
    _run("chroot", str(tree), "apt-get", "install", "-qq", "-y", "--no-install-recommends", *quickly, *packages)
    _run("chroot", str(tree), "apt-get", "clean")
    refusal.unlink()


def _run(*command: str, given: str = "") -> str:
    """Give what the *command* wrote on its standard output."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"[-4000:])
    return done.stdout


def main() -> None:
    """Make those that are missing; where nothing can be booted here, say why, and leave it to the tests to go on."""
    if why := missing("container"):
        sys.stderr.write(f"{why}\n")
        return
    try:
        made_for_tests()
    except AssertionError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
