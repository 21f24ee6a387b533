"""A member's own process, which puts files into the queue under the member's real uid and takes them out again."""

import base64
import json
import subprocess
from types import TracebackType
from typing import Self

from ..support.accounts import Account
from ..support.install import Installation

# One command for each line; its answer says that the command is done, so that the order of files is known.
_PROGRAM = """
import base64, json, os, sys

os.umask(0)
os.chdir(sys.argv[1])
for line in sys.stdin:
    act = json.loads(line)
    name, kind = act["name"], act["kind"]
    temporary = f".{name}.tmp"
    done = True
    if kind == "file":
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, act["mode"])
        os.write(fd, base64.b64decode(act["data"]))
        os.close(fd)
        os.rename(temporary, name)
    elif kind == "link":
        os.symlink("/etc/shadow", name)
    elif kind == "fifo":
        os.mkfifo(name, 0o600)
    else:
        try:
            os.unlink(name)
        except FileNotFoundError:
            done = False
    print(json.dumps(done), flush=True)
"""


class Hands:
    """The hands of *account* in the directory *queue*; for a `with` block."""

    def __init__(self, installation: Installation, account: Account, queue: str) -> None:
        self._process = subprocess.Popen(
            [str(installation.python), "-I", "-S", "-c", _PROGRAM, queue],
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.__exit__(kind, error, trace)

    def put(self, name: str, data: bytes, mode: int = 0o600) -> None:
        """Put a file there by rename, as the member's command does."""
        self._do("file", name, data=base64.b64encode(data).decode(), mode=mode)

    def link(self, name: str) -> None:
        """Put a symbolic link to a secret there."""
        self._do("link", name)

    def fifo(self, name: str) -> None:
        """Put a FIFO there, which would block whoever opens it."""
        self._do("fifo", name)

    def take_back(self, name: str) -> bool:
        """Remove a file; say whether it was still there."""
        return self._do("remove", name)

    def _do(self, kind: str, name: str, **fields: object) -> bool:
        pipes = self._process
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        pipes.stdin.write(json.dumps({"kind": kind, "name": name, **fields}).encode() + b"\n")
        pipes.stdin.flush()
        return bool(json.loads(pipes.stdout.readline()))
