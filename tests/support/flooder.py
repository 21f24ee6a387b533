"""One member who drops as many things into the queue as the machine lets them: a program, and how a test starts it.

It is a process of the member's own uid, and reads nothing but its command line: members may not enter the checkout.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .site import Site

KINDS = ("requests", "turns", "rubbish", "halves", "rewrites", "hidden", "storm", "directories")
"""What may be dropped: whole requests; requests and cancels in turn; files that are none; files that seem to be still
being written; one file again and again; hidden files, which stay; one that comes and goes; directories.
"""

_PROGRAM = """
import os, sys
queue, count, label, *kinds = sys.argv[1:]
os.umask(0o077)
os.chdir(queue)
good = b'{"destination": "someone@example.org"}'

def put(name, data, temporary):
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(fd, data)
    os.close(fd)
    if temporary != name:
        os.rename(temporary, name)

def requests(number):
    put(f"{label}q{number}.json", good, f".{label}")

def turns(number):
    put(f"{label}t{number}.json", (b'{"action": "cancel"}', good)[number % 2], f".{label}")

def rubbish(number):
    put(f"{label}r{number}.json", b"[]", f"{label}r{number}.json")

def halves(number):
    put(f"{label}h{number}.json", good[:-2], f"{label}h{number}.json")

def rewrites(number):
    put(f"{label}.json", good[: number % len(good)], f"{label}.json")

def hidden(number):
    put(f".{label}{number}", b"", f".{label}{number}")

def storm(number):
    put(f".{label}", b"", f".{label}")
    os.unlink(f".{label}")

def directories(number):
    os.mkdir(f"{label}{number}")

makers = [globals()[kind] for kind in kinds]
for number in range(int(count)):
    makers[number % len(makers)](number)
"""


@contextmanager
def flood(site: Site, name: str, count: int, kinds: Sequence[str] = ("requests",)) -> Iterator[subprocess.Popen[bytes]]:
    """Have the member *name* drop *count* things, of each kind in turn; the process may be awaited, and ends here."""
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"nobody drops {unknown}")
    command: list[str | Path] = [site.installation.python, "-ISc", _PROGRAM, site.paths.queue, str(count), name, *kinds]
    account = site.accounts[name]
    become = os.geteuid() == 0
    process = subprocess.Popen(
        command,
        env=site.environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        user=account.uid if become else None,
        group=account.gid if become else None,
        extra_groups=account.groups if become else None,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
