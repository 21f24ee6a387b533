"""Run a command within a Debian 13 that is not booted: `python3 -m tests.system.unbooted COMMAND...`.

The other tests run there with the interpreter, the libraries, the Postfix and the databases that Debian 13 has. The
checkout can only be read, and what is written outside of /tmp and /var/tmp lies in memory, so the tree stays as it is.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..support.needs import missing
from ..support.turns import PLACE
from . import tree

_CHECKOUT = Path(__file__).parents[2]
_WITHIN = "/srv/runv-email-alias"

_HOW = {
    # Tests lower limits of the kernel, and systemd-nspawn lets nobody write to /proc/sys otherwise.
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes",
    # It would put a file system in memory over the /tmp that is given to it.
    "SYSTEMD_NSPAWN_TMPFS_TMP": "0",
    # Several runs have the tree at once, which none of them can write.
    "SYSTEMD_NSPAWN_LOCK": "0",
}


def run(command: Sequence[str], root: Path) -> int:
    """Run *command* in the checkout as root of a container with the tree *root*; give its exit status."""
    scratch = Path(tempfile.mkdtemp(prefix="runv-unbooted-", dir="/var/tmp"))
    try:
        for name in ("tmp", "var-tmp"):
            (scratch / name).mkdir()
            (scratch / name).chmod(0o1777)
        os.makedirs(PLACE, mode=0o700, exist_ok=True)
        options = [
            f"--directory={root}",
            "--volatile=overlay",
            f"--machine=runv-{secrets.token_hex(4)}",
            *("--quiet", "--register=no", "--keep-unit", "--pipe"),
            # Whom a test's server leaves behind, somebody has to wait for.
            "--as-pid2",
            "--capability=all",
            # The network is one loopback interface of its own: no port is another run's.
            *("--private-network", "--resolv-conf=off"),
            f"--bind={scratch / 'tmp'}:/tmp",
            f"--bind={scratch / 'var-tmp'}:/var/tmp",
            # The runs outside take turns with this one, see tests/support/turns.py.
            f"--bind={PLACE}",
            # Members mount file systems of their own; a machine without it says so in the tests that do.
            *(["--bind=/dev/fuse"] if os.path.exists("/dev/fuse") else []),
            f"--bind-ro={_CHECKOUT}:{_WITHIN}",
            f"--chdir={_WITHIN}",
            f"--setenv=CI={os.environ.get('CI', '')}",
            "--setenv=PYTHONDONTWRITEBYTECODE=1",
        ]
        container = ["/usr/bin/systemd-nspawn", *options, "--", *command]
        return subprocess.run(container, env=os.environ | _HOW, stdin=subprocess.DEVNULL, check=False).returncode
    finally:
        shutil.rmtree(scratch)


def main(command: Sequence[str]) -> int:
    """Run *command* there; where there can be no container, say why, which with CI=true is a failure."""
    if why := missing("container"):
        sys.stderr.write(f"Nothing is tried with what Debian 13 has. {why}\n")
        return 1 if os.environ.get("CI") == "true" else 0
    return run(command, tree.made_for_tests())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
