"""Set the stage, play the journey, clear the stage: exit status 0 only if every step held."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.demo.journey import MEMBER, NEIGHBOUR, play
from tests.demo.stage import Delivery, Stage, StepFailedError
from tests.support.install import install
from tests.support.needs import missing
from tests.support.site import Site


def main() -> int:
    """Play the journey in a throwaway directory."""
    root = os.geteuid() == 0
    for need in ("accounts", "postfix", "postfix-hash"):
        if sentence := missing(need):
            sys.stderr.write(f"{sentence.replace('This test', 'The demo')} `make demo` as root installs it.\n")
            return 1
    path = Path(tempfile.mkdtemp(prefix="runv-demo-", dir="/tmp"))
    path.chmod(0o755)
    try:
        return _play(path, root=root)
    finally:
        shutil.rmtree(path)


def _play(path: Path, *, root: bool) -> int:
    programs = path / "programs"
    programs.mkdir(mode=0o755)
    with Site(install(programs), root=_made(path / "server")) as site:
        site.accounts.add(MEMBER)
        if root:
            site.accounts.add(NEIGHBOUR)
        stage = Stage(site, Delivery(site, by_mail=root))
        stage.say(f"A server of its own in {site.root}: its accounts, its state, its map.")
        try:
            play(stage, neighbours=root)
        except (StepFailedError, AssertionError) as error:
            sys.stderr.write(f"\nThis step did not hold: {error}\n")
            for watcher in site.watchers:
                sys.stderr.write(f"\nThe watcher's log:\n{watcher.log}")
            return 1
        stage.say("\nEvery step held. Nothing of this is left behind.")
    return 0


def _made(path: Path) -> Path:
    path.mkdir(mode=0o755)
    return path


if __name__ == "__main__":
    sys.exit(main())
