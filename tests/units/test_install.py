"""`make install` puts everything where systemd and people look for it, and `make uninstall` takes it away again."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from ..support.programs import Programs

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("runv-admin-email-alias", "runv-email-alias", "runv-email-alias-watcher")

# Makes of an environment what the script uses of one, so that no test waits for downloads.
PYTHON = """\
case "$*" in
*version_info*) exit "${TOO_OLD:-0}" ;;
-c*) echo "a version"; exit ;;
esac
directory=$4
mkdir -p "$directory/bin"
cat >"$directory/bin/python" <<'FAKE'
#!/bin/sh
case $1 in
-c) echo "a version"; exit ;;
esac
for last; do :; done
ls -A "$last" >"$(dirname "$0")/../built"
for program in runv-email-alias runv-admin-email-alias runv-email-alias-watcher; do
    echo "#!$(dirname "$0")/python" >"$(dirname "$0")/$program"
done
FAKE
chmod +x "$directory/bin/python"
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    programs = Programs(tmp_path / "programs")
    programs.make("python3", PYTHON)
    return programs.directory / "python3"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def run(script: str, target: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / "units" / script)],
        env={"PATH": os.defpath, "DESTDIR": str(target), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def files(target: Path) -> dict[str, str]:
    """The mode of each file, or where each link points."""
    return {
        f"/{path.relative_to(target)}": os.readlink(path)
        if path.is_symlink()
        else f"{stat.S_IMODE(path.stat().st_mode):04o}"
        for path in target.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def manual() -> dict[str, str]:
    pages = [path.relative_to(ROOT / "docs/man") for path in (ROOT / "docs/man").rglob("*.[1-9]")]
    return {
        f"/usr/local/share/man/{page.parent}/man{page.suffix[1:]}/{page.name}".replace("/./", "/"): "0644"
        for page in pages
    }


def test_everything_is_installed_where_it_is_looked_for_and_nothing_else(target: Path, python: Path) -> None:
    done = run("install", target, PYTHON=str(python))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Installed below {target}; nothing was started.\n"
    home = {path: mode for path, mode in files(target).items() if path.startswith("/opt/runv-email-alias/")}
    assert {path: mode for path, mode in files(target).items() if path not in home} == manual() | {
        "/etc/logrotate.d/runv-email-alias": "0644",
        "/etc/runv-member-mail.json": "0644",
        "/usr/local/lib/systemd/system/runv-email-alias-watcher.service": "0644",
        "/usr/local/lib/sysusers.d/runv-email-alias.conf": "0644",
        "/usr/local/lib/tmpfiles.d/runv-email-alias.conf": "0644",
        **{f"/usr/local/bin/{program}": f"/opt/runv-email-alias/bin/{program}" for program in PROGRAMS},
    }
    built = (target / "opt/runv-email-alias/built").read_text(encoding="utf-8").split()
    assert sorted(built) == ["LICENSE", "README.md", "cli", "pyproject.toml", "schemas", "setup.cfg", "watcher"]
    for program in PROGRAMS:
        text = (target / "opt/runv-email-alias/bin" / program).read_text(encoding="utf-8")
        assert text == "#!/opt/runv-email-alias/bin/python -I\n"


def test_another_prefix_is_that_of_the_unit_too(target: Path, python: Path) -> None:
    assert run("install", target, PYTHON=str(python), PREFIX="/opt/local").returncode == 0
    assert files(target)["/opt/local/bin/runv-email-alias"] == "/opt/runv-email-alias/bin/runv-email-alias"
    unit = target / "usr/local/lib/systemd/system/runv-email-alias-watcher.service"
    assert "\nExecStart=/opt/local/bin/runv-email-alias-watcher\n" in unit.read_text(encoding="utf-8")


def test_installing_again_keeps_what_the_administrator_wrote(target: Path, python: Path) -> None:
    assert run("install", target, PYTHON=str(python)).returncode == 0
    before = files(target)
    for name in ("runv-member-mail.json", "logrotate.d/runv-email-alias"):
        (target / "etc" / name).write_text("mine", encoding="utf-8")
    unit = target / "usr/local/lib/systemd/system/runv-email-alias-watcher.service"
    unit.write_text("an older one", encoding="utf-8")
    assert run("install", target, PYTHON=str(python)).returncode == 0
    assert files(target) == before
    assert (target / "etc/runv-member-mail.json").read_text(encoding="utf-8") == "mine"
    assert (target / "etc/logrotate.d/runv-email-alias").read_text(encoding="utf-8") == "mine"
    assert "ExecStart" in unit.read_text(encoding="utf-8")


def test_an_older_python_is_refused_and_nothing_is_installed(target: Path, python: Path) -> None:
    done = run("install", target, PYTHON=str(python), TOO_OLD="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"{python} is older than 3.11. Name a newer one: `make install PYTHON=/usr/bin/python3.13`.\n"
    )
    assert not target.exists()


def test_uninstalling_leaves_the_configuration_and_the_state_and_says_so(target: Path, python: Path) -> None:
    assert run("install", target, PYTHON=str(python)).returncode == 0
    (target / "var/lib/runv").mkdir(parents=True)
    (target / "var/lib/runv/email-aliases.json").write_text("{}", encoding="utf-8")
    (target / "usr/local/bin/another").write_text("", encoding="utf-8")
    (target / "usr/local/share/man/man8/another.8").write_text("", encoding="utf-8")
    done = run("uninstall", target)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "Removed. Postfix goes on forwarding with the map as it is now. What is left, where it is there:\n"
        "    /etc/runv-member-mail.json\n"
        "    /var/lib/runv\n"
    )
    manual = "/usr/local/share/man/man8/another.8"
    left = ["/etc/runv-member-mail.json", "/usr/local/bin/another", manual, "/var/lib/runv/email-aliases.json"]
    assert sorted(files(target)) == left
    assert sorted(path.name for path in (target / "usr/local").glob("*/*")) == ["another", "man"]
    assert [path.name for path in (target / "usr/local/share/man").iterdir()] == ["man8"]
    assert run("uninstall", target).stdout == done.stdout


def test_uninstalling_leaves_a_program_of_another_installation(target: Path, python: Path) -> None:
    assert run("install", target, PYTHON=str(python)).returncode == 0
    link = target / "usr/local/bin/runv-email-alias"
    link.unlink()
    link.symlink_to("/somewhere/else")
    (target / "etc/logrotate.d/runv-email-alias").write_text("mine", encoding="utf-8")
    assert run("uninstall", target).returncode == 0
    left = ["/etc/logrotate.d/runv-email-alias", "/etc/runv-member-mail.json", "/usr/local/bin/runv-email-alias"]
    assert sorted(files(target)) == left
