"""`make fuzz`: every target for some time, guided by coverage. Ends with 1 where one of them raised, hung or grew."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from .corpus_files import CORPUS
from .targets import TARGETS
from .words import write_words

_FOUND = Path(__file__).resolve().parents[2] / ".fuzz"
_SECONDS_FOR_ONE = 10
_MEGABYTES = 1024
_OCTETS = 2048

_FIGURES = re.compile(r"^stat::(\w+):\s+(\d+)$", re.MULTILINE)
_FEATURES = re.compile(r" ft: (\d+) ")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; else all of them")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--found", type=Path, default=_FOUND, help="where inputs that break something are kept")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    broken = [name for name in arguments.targets or TARGETS if not _run(name, arguments.seconds, arguments.found)]
    if broken:
        print(f"Broken: {', '.join(broken)}. Once mended, keep the input, as small as it can be, in {CORPUS}.")  # noqa: T201
    return 1 if broken else 0


def _run(target: str, seconds: int, found: Path) -> bool:
    grown = found / target / "grown"
    grown.mkdir(parents=True, exist_ok=True)
    words = found / target / "words"
    write_words(words)
    before = set((found / target).iterdir())
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.fuzz.guided",
            target,
            str(grown),
            str(CORPUS / target),
            f"-max_total_time={seconds}",
            f"-timeout={_SECONDS_FOR_ONE}",
            f"-rss_limit_mb={_MEGABYTES}",
            f"-max_len={_OCTETS}",
            f"-artifact_prefix={found / target}/",
            f"-dict={words}",
            "-print_final_stats=1",
        ],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )
    figures = dict(_FIGURES.findall(done.stderr))
    features = _FEATURES.findall(done.stderr)
    print(  # noqa: T201
        f"{target}: {figures.get('number_of_executed_units', '?')} executions, "
        f"{figures.get('average_exec_per_sec', '?')} a second, {features[-1] if features else '?'} features, "
        f"{figures.get('new_units_added', '?')} inputs that reached something new",
        flush=True,
    )
    if done.returncode == 0:
        return True
    kept = sorted(set((found / target).iterdir()) - before)
    print(f"{done.stdout[-4000:]}{done.stderr[-8000:]}\n{target} broke on {', '.join(map(str, kept)) or '?'}")  # noqa: T201
    return False


if __name__ == "__main__":
    sys.exit(main())
