"""Write the completion scripts of bash, zsh and fish, which click makes for each program.

Usage: completions.py PACKAGE-DIRECTORY PROGRAM...
"""

import sys
from pathlib import Path

from click.shell_completion import get_completion_class

PLACES = {
    "bash": "usr/share/bash-completion/completions/{program}",
    "fish": "usr/share/fish/vendor_completions.d/{program}.fish",
    "zsh": "usr/share/zsh/vendor-completions/_{program}",
}


def write_completions(program: str, target: Path) -> None:
    """Write what each shell reads for *program* below *target*."""
    variable = f"_{program}_COMPLETE".replace("-", "_").upper()
    for shell, place in PLACES.items():
        made = get_completion_class(shell)
        if made is None:
            raise SystemExit(f"click completes nothing for {shell}.")
        path = target / place.format(program=program)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made.source_template % made(None, {}, program, variable).source_vars(), encoding="utf-8")


if __name__ == "__main__":
    target, *programs = sys.argv[1:]
    for program in programs:
        write_completions(program, Path(target))
