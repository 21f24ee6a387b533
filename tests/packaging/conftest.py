"""The Debian package, built once and taken apart."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from ..support.mailconfig import PATH
from ..support.needs import require

ROOT = Path(__file__).resolve().parents[2]


class Package(NamedTuple):
    """A built package: the file, what belongs with it, its contents and its control files."""

    file: Path
    changes: Path
    contents: Path
    control: Path


def run(*command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={"PATH": PATH, "LC_ALL": "C.UTF-8", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    require("packaging")
    directory = tmp_path_factory.mktemp("package")
    # Whoever builds may have any umask; nothing of it may be seen.
    done = run("/bin/sh", "-c", 'umask 077; exec /bin/sh "$0" "$1"', str(ROOT / "debian/build"), str(directory))
    assert (done.returncode, done.stderr) == (0, "")
    changes = Path(done.stdout.strip())
    (file,) = directory.glob("*.deb")
    package = Package(file, changes, directory / "contents", directory / "control")
    assert run("dpkg-deb", "-x", str(file), str(package.contents)).returncode == 0
    assert run("dpkg-deb", "-e", str(file), str(package.control)).returncode == 0
    return package
