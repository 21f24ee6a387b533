"""The Debian package has the programs, what they need, and nothing else."""

import configparser
import io
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from schemas.config import parse_config

from .conftest import ROOT, Package, run

PRIVATE = "usr/share/runv-email-alias"
PROGRAMS = ("runv-admin-email-alias", "runv-email-alias", "runv-email-alias-watcher")


def settings() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


def field(package: Package, name: str) -> str:
    done = run("dpkg-deb", "--field", str(package.file), name)
    assert done.returncode == 0
    return done.stdout.strip()


def members(package: Package) -> list[tarfile.TarInfo]:
    command = ["/usr/bin/dpkg-deb", "--fsys-tarfile", str(package.file)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        return archive.getmembers()


def modules(root: Path) -> set[str]:
    return {
        str(path.relative_to(root))
        for folder in ("cli", "schemas", "watcher")
        for path in (root / folder).rglob("*")
        if path.suffix in {".py", ".json"}
    }


@pytest.mark.needs("lintian")
def test_lintian_has_nothing_against_it_and_leaves_nothing_behind(package: Package, tmp_path: Path) -> None:
    command = ("/bin/sh", str(ROOT / "tests/setup/lintian"), str(package.changes))
    done = run(*command, environment={"TMPDIR": str(tmp_path)})
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert list(tmp_path.iterdir()) == []


def test_it_has_every_module_and_no_test(package: Package) -> None:
    assert modules(package.contents / PRIVATE) == modules(ROOT)
    assert {path.name for path in (package.contents / PRIVATE).iterdir()} == {
        "cli",
        "schemas",
        "watcher",
        "runv-member-mail.json",
        f"runv_email_alias-{settings()['metadata']['version']}.dist-info",
    }


def test_all_of_it_is_roots_and_nobody_else_can_write_to_it(package: Package) -> None:
    runnable = {f"./usr/bin/{program}" for program in PROGRAMS}
    for each in members(package):
        assert (each.uid, each.gid) == (0, 0)
        if each.isfile():
            wanted = 0o755 if each.name in runnable or each.name.endswith(".rtupdate") else 0o644
            assert (each.name, oct(each.mode)) == (each.name, oct(wanted))
        elif each.isdir():
            assert (each.name, oct(each.mode)) == (each.name, oct(0o755))
        else:
            # Two pages of the manual may be one.
            assert each.name.startswith("./usr/share/man/")


def test_outside_of_usr_it_has_a_snippet_for_logrotate_alone(package: Package) -> None:
    outside = {each.name for each in members(package) if each.isfile() and not each.name.startswith("./usr/")}
    assert outside == {"./etc/logrotate.d/runv-email-alias"}
    # The configuration is none of dpkg's: an existing server has one, and `setup --enable` writes to it.
    conffiles = (package.control / "conffiles").read_text(encoding="utf-8").split()
    assert conffiles == ["/etc/logrotate.d/runv-email-alias"]


def test_what_systemd_and_logrotate_read_is_what_is_in_the_checkout(package: Package) -> None:
    for path, source in {
        "usr/lib/sysusers.d/runv-email-alias.conf": "runv-email-alias.sysusers.conf",
        "usr/lib/tmpfiles.d/runv-email-alias.conf": "runv-email-alias.tmpfiles.conf",
        "etc/logrotate.d/runv-email-alias": "runv-email-alias.logrotate",
        f"{PRIVATE}/runv-member-mail.json": "runv-member-mail.json",
    }.items():
        assert (package.contents / path).read_bytes() == (ROOT / "units" / source).read_bytes()
    unit = (package.contents / "usr/lib/systemd/system/runv-email-alias-watcher.service").read_text(encoding="utf-8")
    shipped = (ROOT / "units/runv-email-alias-watcher.service").read_text(encoding="utf-8")
    assert unit == shipped.replace("ExecStart=/usr/local/bin/", "ExecStart=/usr/bin/")
    assert "/usr/local" not in unit


def test_every_manual_page_of_the_checkout_is_in_it(package: Package) -> None:
    source, built = ROOT / "docs/man", package.contents / "usr/share/man"
    wanted = {path.relative_to(source) for path in source.rglob("*.[1-9]")}
    found = {path.relative_to(built) for path in built.rglob("*.gz")}
    assert found == {path.parent / f"man{path.suffix[1:]}" / f"{path.name}.gz" for path in wanted}


def test_it_depends_on_the_libraries_that_the_metadata_names(package: Package) -> None:
    depends = [each.strip() for each in field(package, "Depends").split(",")]
    for line in settings()["options"]["install_requires"].split():
        name, version = line.split(">=")
        assert f"python3-{name} (>= {version.removesuffix('.0')})" in depends
    assert "python3:any (>= 3.11~)" in depends
    assert "postfix" not in depends


def test_what_leads_to_a_database_is_only_suggested(package: Package) -> None:
    suggested = [each.strip() for each in field(package, "Suggests").split(",")]
    for line in settings()["options.extras_require"]["sql"].split():
        name, version = line.split(">=")
        assert f"python3-{name.lower()} (>= {version})" in suggested
    assert {"postfix-mysql", "postfix-pgsql", "postfix-sqlite"} <= set(suggested)
    assert not re.search("sqlalchemy|psycopg|pymysql", field(package, "Depends") + field(package, "Recommends"))


def test_the_example_for_a_database_is_a_configuration(package: Package) -> None:
    examples = package.contents / "usr/share/doc/runv-email-alias/examples"
    config = parse_config((examples / "runv-member-mail-sql.json").read_bytes(), "the example")
    assert config.in_database
    assert not config.enabled


def test_the_changelogs_version_is_that_of_the_metadata(package: Package) -> None:
    version = settings()["metadata"]["version"]
    assert re.fullmatch(rf"{re.escape(version)}-\d+", field(package, "Version"))
    done = run("dpkg-parsechangelog", "--file", str(ROOT / "debian/changelog"), "--show-field", "Version")
    assert (done.stdout.strip(), done.stderr) == (field(package, "Version"), "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_takes_code_from_its_own_directory_alone(package: Package, tmp_path: Path, program: str) -> None:
    text = (package.contents / "usr/bin" / program).read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/python3 -I\n")
    # Another's modules, in the directory where root happens to be and in that which the environment names.
    for name in ("cli", "click", "json", "msgspec", "watcher"):
        (tmp_path / f"{name}.py").write_text('raise SystemExit("taken in")', encoding="utf-8")
    here = tmp_path / program
    text = text.replace("/usr/bin/python3", sys.executable, 1)
    here.write_text(text.replace(f"/{PRIVATE}", str(package.contents / PRIVATE)), encoding="utf-8")
    here.chmod(0o755)
    done = subprocess.run(
        [str(here), "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert re.fullmatch(rf"{program}\W.*\b{re.escape(settings()['metadata']['version'])}\n", done.stdout)


def test_the_scripts_of_dpkg_are_whole_and_in_order(package: Package) -> None:
    for name in ("postinst", "prerm", "postrm"):
        assert run("/bin/sh", "-n", str(package.control / name)).returncode == 0
    postinst = (package.control / "postinst").read_text(encoding="utf-8")
    order = [
        "install -m 0644",
        "systemd-sysusers",
        "systemd-tmpfiles",
        "deb-systemd-helper enable",
        "_dh_action=restart",
        "deb-systemd-invoke $_dh_action",
    ]
    assert sorted(order, key=postinst.index) == order
    assert "deb-systemd-invoke stop" in (package.control / "prerm").read_text(encoding="utf-8")


def test_completion_is_there_for_each_shell(package: Package) -> None:
    for program in ("runv-email-alias", "runv-admin-email-alias"):
        variable = f"_{program}_COMPLETE".replace("-", "_").upper()
        for path in (
            f"usr/share/bash-completion/completions/{program}",
            f"usr/share/fish/vendor_completions.d/{program}.fish",
            f"usr/share/zsh/vendor-completions/_{program}",
        ):
            assert variable in (package.contents / path).read_text(encoding="utf-8")


def test_the_published_schemas_are_in_it(package: Package) -> None:
    for path in (package.contents / PRIVATE / "schemas").glob("*.schema.json"):
        assert json.loads(path.read_bytes()) == json.loads((ROOT / "schemas" / path.name).read_bytes())
