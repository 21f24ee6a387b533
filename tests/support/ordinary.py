"""Running a program as an ordinary user, whoever runs the tests."""

import os
import subprocess
from collections.abc import Sequence

_NOBODY = 65534


def as_ordinary_user(command: Sequence[str], timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run *command* without privileges, given up first by root; its exit status is the caller's to judge."""
    uid = _NOBODY if os.geteuid() == 0 else None
    return subprocess.run(
        command,
        cwd="/",
        env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "HOME": "/tmp"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
        check=False,
    )
