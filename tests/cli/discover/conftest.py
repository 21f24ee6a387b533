from pathlib import Path

import pytest

from tests.support.programs import Programs
from watcher.publish import commands


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """The only programs that there are: none, at first."""
    programs = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(programs.directory))
    # The system's own directories come behind PATH always, and no account can take programs out of them.
    monkeypatch.setattr(commands, "_SYSTEM_PATH", str(programs.directory))
    return programs
