"""`python -m tests.benchmarks`: measure, print the table, and end with 1 if a target was missed."""

import argparse
import importlib.metadata
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.benchmarks.bench import Ground, file_system, ground
from tests.benchmarks.bursts import bursts
from tests.benchmarks.clients import server_versions
from tests.benchmarks.commands import commands
from tests.benchmarks.fairness import fairness
from tests.benchmarks.figures import Figure
from tests.benchmarks.idle import idle
from tests.benchmarks.publishing import approvals, hand_edits
from tests.benchmarks.requests import single_requests
from tests.benchmarks.sql import databases
from tests.benchmarks.table import render, write_into
from tests.support.mailconfig import MailConfig
from tests.support.needs import missing

FIGURES: Mapping[str, Callable[[Ground], Iterator[Figure]]] = {
    "approvals": approvals,
    "hand-edits": hand_edits,
    "requests": single_requests,
    "bursts": bursts,
    "fairness": fairness,
    "idle": idle,
    "databases": databases,
    "commands": commands,
}
_NEED_ROOT = frozenset({"requests", "bursts", "fairness", "databases"})
"""They act as many members, each with a uid of its own."""


def main() -> int:
    """Run the benchmarks."""
    options = _options()
    needs = ("accounts", "postfix", "postfix-hash", "postfix-mysql", "postfix-pgsql", "mariadb-server", "postgresql")
    for need in needs if "databases" in (options.only or FIGURES) else needs[:3]:
        if sentence := missing(need):
            _say(sentence.replace("This test needs", "The benchmarks need"))
            return 1
    names = [name for name in FIGURES if name in (options.only or FIGURES)]
    if os.geteuid() != 0:
        left_out = [name for name in names if name in _NEED_ROOT]
        names = [name for name in names if name not in _NEED_ROOT]
        if left_out:
            _say(f"Left out, since only root can act as many members: {', '.join(left_out)}.")
    figures: list[Figure] = []
    with ground(options.directory) as path:
        conditions = _conditions(options.directory)
        for name in names:
            _say(f"{name} ...")
            figures += FIGURES[name](path)
    table = render(figures)
    sys.stdout.write(f"{table}\n\n{conditions}\n")
    if options.write is not None:
        write_into(options.write, table, conditions)
    return 0 if all(figure.met for figure in figures) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure what this project promises; exit status 1 if a target is missed.",
    )
    parser.add_argument("--only", action="append", choices=FIGURES, help="measure only this; may be given repeatedly")
    parser.add_argument(
        "--directory", type=Path, default=Path("/var/tmp"), help="where to work: on a disk, open to every account"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the marks of FILE")
    options = parser.parse_args()
    if options.write is not None and (options.only or os.geteuid() != 0):
        parser.error("only a whole run, as root, is written down: --write goes without --only")
    return options


def _conditions(directory: Path) -> str:
    """In what surroundings the figures were taken."""
    packages = ("watchdog", "msgspec", "click", "email-validator", "SQLAlchemy", "psycopg", "PyMySQL")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    with tempfile.TemporaryDirectory() as mail:
        postfix = MailConfig(Path(mail, "postfix"), maps="").run("postconf", "-dh", "mail_version").stdout.strip()
    return (
        f"Measured with {os.cpu_count()} cores, {file_system(directory)}, Python {platform.python_version()}, "
        f"Postfix {postfix},\n{', '.join(server_versions())},\n{', '.join(versions)}."
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
