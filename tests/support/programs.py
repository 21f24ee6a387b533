"""Programs of the test's own, which answer for a machine that is not there."""

import os
import shlex
from pathlib import Path


class Programs:
    """Fake programs in *directory*, which the test puts in the way of the real ones."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()

    def make(self, name: str, script: str) -> None:
        """Make the program *name*, which notes how it is called and then runs the shell's *script*."""
        path = self.directory / name
        noting = f'echo "$*" >> {shlex.quote(str(self._notes(name)))}'
        path.write_text(f"#!/bin/sh\nPATH={os.defpath}\n{noting}\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def asked(self, name: str) -> list[str]:
        """With what arguments the program *name* was called, one text for each call."""
        try:
            return self._notes(name).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _notes(self, name: str) -> Path:
        return self.directory / f".{name}.asked"
