"""A copy of the programs that every account of this machine may execute.

The checkout, or the interpreter's virtual environment in it, may lie in a directory that only its owner can enter.
Members' processes need theirs in a place that is open to all, as on a real server.
"""

import compileall
import configparser
import importlib.metadata
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

CHECKOUT = Path(__file__).resolve().parents[2]

_FOLDERS = ("schemas", "watcher", "cli")
_NOT_AT_RUN_TIME = ("test", "lint", "fuzz")

_SCRIPT = """\
#!{python}
import sys
from {module} import {function}
if __name__ == "__main__":
    sys.exit({function}())
"""


@dataclass(frozen=True)
class Installation:
    """The programs, installed; *root* and all that is in it can be read and executed by everybody."""

    root: Path
    packages: Path

    @property
    def bin(self) -> Path:
        """Where the commands are."""
        return self.root / "bin"

    @property
    def python(self) -> Path:
        """The interpreter that has the packages."""
        return self.bin / "python"


def install(root: Path, *, tests: bool = False) -> Installation:
    """Install the checkout's present sources, and what they need at run time, into the empty directory *root*.

    With *tests* also the tests and what those need, so that another account can run them.

    Raises RuntimeError when others than the caller could not use it, or a source does not compile.
    """
    interpreter = Path(os.path.realpath(sys.executable))
    if os.geteuid() == 0:
        _check_open_to_all(interpreter)
        _check_open_to_all(root)
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(root), "platbase": str(root)}))

    mask = os.umask(0o022)
    try:
        packages.mkdir(parents=True)
        copied = [_copy_distribution(each, packages) for each in _distributions(settings, tests=tests)]
        _make_environment(root, interpreter, system_packages=not all(copied))
        if tests:
            shutil.copyfile(CHECKOUT / "setup.cfg", packages / "setup.cfg")
        for folder in (*_FOLDERS, *(["tests"] if tests else [])):
            shutil.copytree(CHECKOUT / folder, packages / folder, ignore=shutil.ignore_patterns("__pycache__"))
        # Said outright, since PYTHONDONTWRITEBYTECODE may be set here and members could not write it anyway.
        if not compileall.compile_dir(packages, quiet=1):
            raise RuntimeError(f"not every module under {packages} compiles")
        _write_metadata(settings, packages)
        for line in settings["options.entry_points"]["console_scripts"].split("\n"):
            if line:
                _write_script(root / "bin", *(part.strip() for part in line.split("=")))
    finally:
        os.umask(mask)
    return Installation(root, packages)


def _check_open_to_all(path: Path) -> None:
    for part in (path, *path.parents):
        if not part.stat().st_mode & 0o001:
            raise RuntimeError(f"{part} is closed to other accounts, so members could not execute {path}")


def _distributions(settings: configparser.ConfigParser, *, tests: bool) -> Iterator[importlib.metadata.Distribution]:
    """The installed distributions that the programs import, and those they require in turn.

    Those of an extra (the SQL maps) are there only if this environment has them.
    """
    required = settings["options"]["install_requires"].split("\n")
    if tests:
        required += settings["options.extras_require"]["test"].split("\n")
    optional = [
        line
        for extra, lines in settings["options.extras_require"].items()
        if extra not in _NOT_AT_RUN_TIME
        for line in lines.split("\n")
    ]
    queue = [(line, False) for line in required if line] + [(line, True) for line in optional if line]
    # One extra names another of this project: all of those are asked for anyway.
    seen = {settings["metadata"]["name"]}
    while queue:
        line, may_lack = queue.pop(0)
        requirement = Requirement(line)
        if requirement.name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(requirement.name)
        try:
            distribution = importlib.metadata.distribution(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            if may_lack:
                continue
            raise
        yield distribution
        queue += [(each, may_lack) for each in distribution.requires or ()]


def _copy_distribution(distribution: importlib.metadata.Distribution, packages: Path) -> bool:
    """Copy what pip installed; False if a distribution package did, which all accounts can read where it is."""
    if distribution.files is None:
        return False
    for file in distribution.files:
        if file.parts[0] == "..":  # a command in bin/, which nothing here runs
            continue
        source = Path(str(file.locate()))
        if source.exists():
            target = packages / Path(*file.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            # With its time: the byte code next to it is valid only for that.
            shutil.copyfile(source, target)
            stat = source.stat()
            os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return True


def _make_environment(root: Path, interpreter: Path, *, system_packages: bool) -> None:
    """What makes a directory a virtual environment; the venv module would take ten times as long."""
    (root / "bin").mkdir()
    (root / "bin" / "python").symlink_to(interpreter)
    (root / "pyvenv.cfg").write_text(
        f"home = {interpreter.parent}\n"
        f"include-system-site-packages = {str(system_packages).lower()}\n"
        f"version = {sys.version_info.major}.{sys.version_info.minor}\n",
        encoding="utf-8",
    )


def _write_metadata(settings: configparser.ConfigParser, packages: Path) -> None:
    """Name and version, as importlib.metadata looks for them."""
    name, version = settings["metadata"]["name"], settings["metadata"]["version"]
    information = packages / f"{name.replace('-', '_')}-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )


def _write_script(directory: Path, name: str, entry: str) -> None:
    module, function = entry.split(":")
    script = directory / name
    script.write_text(_SCRIPT.format(python=directory / "python", module=module, function=function), encoding="utf-8")
    script.chmod(0o755)
