"""Write the programs that the metadata names, for code in a private directory.

Usage: programs.py WHERE-IT-LIES-NOW WHERE-IT-WILL-LIE DIRECTORY
"""

import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

# -I: root's program must not take code from PYTHONPATH, the current directory or somebody's home directory.
PROGRAM = """\
#!/usr/bin/python3 -I
import sys

sys.path.insert(0, "{private}")

from {module} import {function}

sys.exit({function}())
"""


def write_programs(distribution: Distribution, private: str, directory: Path) -> None:
    """Write a program into *directory* for each console script of *distribution*."""
    directory.mkdir(parents=True)
    for entry in distribution.entry_points.select(group="console_scripts"):
        program = directory / entry.name
        program.write_text(PROGRAM.format(private=private, module=entry.module, function=entry.attr), encoding="utf-8")
        program.chmod(0o755)


if __name__ == "__main__":
    built, private, directory = sys.argv[1:]
    (found,) = distributions(path=[built])
    write_programs(found, private, Path(directory))
