"""What a test needs of the machine, and what happens where that is missing."""

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from .mailconfig import PATH, MailConfig


@functools.cache
def missing(need: str) -> str | None:
    """Say in a sentence what is missing for *need*: root, accounts, postfix, or postfix-<map type>; None if nothing."""
    if need == "root":
        return None if os.geteuid() == 0 else "This test must be run as root, to act as several accounts."
    if need == "accounts":
        return None if _can_preload("libnss_wrapper.so") else "This test needs the package libnss-wrapper."
    if need == "postfix":
        return None if shutil.which("postmap", path=PATH) else "This test needs the package postfix."
    if need.startswith("postfix-"):
        return missing("postfix") or (
            None if need.removeprefix("postfix-") in _map_types() else f"This test needs the package {need}."
        )
    raise ValueError(f"no test can need {need!r}: not one of root, accounts, postfix, postfix-<map type>")


def require(*needs: str) -> None:
    """Skip the present test, with a sentence, if something is missing; where CI=true is set, fail it.

    A run that is meant to be complete must not be green because it could not do its work.
    """
    for need in needs:
        if sentence := missing(need):
            if os.environ.get("CI") == "true":
                pytest.fail(f"{sentence} (With CI=true nothing is skipped.)", pytrace=False)
            pytest.skip(sentence)


def _can_preload(library: str) -> bool:
    """Whether the dynamic linker finds *library*; it says so on stderr when it does not, and goes on."""
    done = subprocess.run(
        ["/bin/true"], env={"LD_PRELOAD": library}, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False
    )
    return not done.stderr


@functools.cache
def _map_types() -> frozenset[str]:
    with tempfile.TemporaryDirectory() as directory:
        # With a configuration of its own: without one in /etc/postfix, postconf says nothing at all.
        config = MailConfig(Path(directory, "postfix"), maps="")
        return frozenset(config.run("postconf", "-m").stdout.split())
