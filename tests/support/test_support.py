"""The harness holds what it promises, since every end-to-end test leans on it."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ..attacks.mounts import tmpfs
from .install import Installation
from .layout import FOLDERS, put
from .mailconfig import MailConfig
from .needs import missing
from .notify import NotifySocket
from .ordinary import as_ordinary_user
from .postfix import PrivatePostfix
from .sink import Sink, free_port
from .site import Site
from .waiting import Watch, wait_exit, wait_for

# A process that answers one look-up per line, so that one and the same process can be asked again.
_RESOLVER = """
import grp, pwd, sys
for line in sys.stdin:
    name = line.strip()
    try:
        account = pwd.getpwnam(name)
        members = grp.getgrnam("runv-members")
        print(account.pw_uid, account.pw_gid == members.gr_gid, name in members.gr_mem, flush=True)
    except KeyError:
        print("unknown", flush=True)
"""


@pytest.mark.needs("root")
def test_a_command_runs_with_the_uid_and_the_groups_of_its_account(site: Site) -> None:
    primary = site.accounts.add("pablo")
    listed = site.accounts.add("maria", membership="listed")
    outsider = site.accounts.add("eve", membership="none")

    for account in (primary, listed, outsider):
        seen = site.run(["id", "-nu"], account=account).stdout.split()
        groups = site.run(["id", "-nG"], account=account).stdout.split()
        uid = site.run(["stat", "-c", "%u", "/proc/self/."], account=account).stdout.split()
        assert (seen, uid) == ([account.name], [str(account.uid)])
        assert ("runv-members" in groups) == (account is not outsider)


@pytest.mark.needs("root")
def test_a_running_process_sees_accounts_come_and_go(site: Site) -> None:
    process = subprocess.Popen(
        [site.installation.python, "-c", _RESOLVER],
        env=site.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(name: str) -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{name}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        assert ask("pablo") == "unknown"
        first = site.accounts.add("pablo")
        assert ask("pablo") == f"{first.uid} True False"
        site.accounts.remove("pablo")
        assert ask("pablo") == "unknown"
        second = site.accounts.add("pablo", membership="listed")
        assert ask("pablo") == f"{second.uid} False True"
        assert second.uid != first.uid
        assert ask("root").startswith("0 ")


@pytest.mark.needs("root")
def test_thousands_of_members_resolve(site: Site) -> None:
    accounts = site.accounts.add_many(f"member{number:04d}" for number in range(3000))

    assert site.run(["id", "-u", "member2999"]).stdout.strip() == str(accounts[2999].uid)


@pytest.mark.needs("root")
def test_a_listing_that_python_could_not_see_is_refused(site: Site) -> None:
    def add_all() -> None:
        for number in range(200):
            site.accounts.add(f"member{number:04d}", membership="listed")

    with pytest.raises(ValueError, match="too many listed members"):
        add_all()
    script = "import grp; print(len(grp.getgrnam('runv-members').gr_mem))"
    assert int(site.run([str(site.installation.python), "-c", script]).stdout) > 40


@pytest.mark.needs("root", "accounts")
@pytest.mark.parametrize("package", ["schemas", "watcher", "cli", "msgspec", "watchdog.observers", "click"])
def test_every_account_can_import_the_programs(site: Site, package: str) -> None:
    done = site.run(
        [str(site.installation.python), "-c", f"import {package} as it; print(it.__file__)"],
        account=site.accounts.add("pablo"),
    )

    assert done.stderr == ""
    # Debian's own libraries stay where everybody can read them; those of a virtual environment are copied.
    debians = sys.prefix == sys.base_prefix and package not in {"schemas", "watcher", "cli"}
    assert done.stdout.startswith("/usr/lib/python3/dist-packages/" if debians else str(site.installation.packages))


def test_the_installation_is_compiled_and_has_the_commands(installation: Installation) -> None:
    for source in installation.packages.rglob("*.py"):
        assert list((source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc")), source
    for command in ("runv-email-alias", "runv-admin-email-alias", "runv-email-alias-watcher"):
        assert os.access(installation.bin / command, os.X_OK)


def test_the_installation_has_nothing_that_only_developers_need(installation: Installation) -> None:
    assert not [name for name in ("pytest", "mypy", "ruff", "pip") if (installation.packages / name).exists()]


@pytest.mark.needs("root")
def test_the_files_of_a_site_have_the_owners_and_modes_of_a_server(site: Site) -> None:
    paths = site.paths
    root, members = (0, 0), (0, site.accounts.gid)
    expected = {
        paths.config: (0o644, root),
        paths.state: (0o755, root),
        paths.registry: (0o640, members),
        paths.queue: (0o2770, members),
        paths.requests: (0o2750, members),
        **{paths.requests / name: (0o2750, members) for name in FOLDERS},
        paths.decisions: (0o700, root),
        paths.decisions / "failed": (0o700, root),
        paths.runtime: (0o755, root),
        paths.postfix: (0o755, root),
    }

    found = {path: (path.stat().st_mode & 0o7777, (path.stat().st_uid, path.stat().st_gid)) for path in expected}

    assert found == expected


@pytest.mark.needs("root")
def test_a_dropped_file_is_as_its_member_would_have_made_it(site: Site) -> None:
    account = site.accounts.add("pablo")

    path = site.drop("pablo", "request.json", {"destination": "p@example.org"}, mtime=1_000_000_000.5)

    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (account.uid, site.accounts.gid, 0o600)
    assert found.st_mtime == 1_000_000_000.5
    assert os.listdir(site.paths.queue) == ["request.json"]
    assert site.run(["cat", str(path)], account=account).stdout == '{"destination": "p@example.org"}'
    assert site.run(["cat", str(path)], account=site.accounts.add("eve")).returncode == 1


def test_a_site_works_for_an_ordinary_user_too(open_checkout: Installation, installation: Installation) -> None:
    """In a process of its own, which has given its privileges up if it had any."""
    script = """
import os, sys
from pathlib import Path
from tests.support.install import Installation
from tests.support.site import Site
with Site(Installation(Path(sys.argv[1]), Path(sys.argv[2]))) as site:
    account = site.accounts.add("pablo")
    path = site.drop("pablo", "request.json", {})
    done = site.run(["id", "-n", "-u"], account=account)
    print(done.stdout.strip(), path.stat().st_uid == os.getuid() != 0, site.accounts.gid == path.stat().st_gid)
"""
    done = as_ordinary_user(
        [str(open_checkout.python), "-c", script, str(installation.root), str(installation.packages)]
    )

    assert (done.stdout, done.stderr) == ("pablo True True\n", "")


@pytest.fixture
def postfix(site: Site) -> PrivatePostfix:
    return site.start_postfix()


@pytest.mark.needs("root", "postfix")
@pytest.mark.parametrize("backend", ["postfix-hash", "postfix-lmdb"])
def test_postfix_delivers_what_the_map_has_and_refuses_the_rest(installation: Installation, backend: str) -> None:
    if sentence := missing(backend):
        pytest.skip(sentence)
    with Site(installation, backend=backend) as site:
        postfix = site.start_postfix()
        assert site.map_lookup("pablo@runv.club") is None
        put(site.paths.map, b"pablo@runv.club\tp@example.org\n", 0o644)
        assert site.mail.run("postmap", site.table).stderr == ""

        assert site.map_lookup("pablo@runv.club") == "p@example.org"
        assert site.map_lookup("nobody@runv.club") is None
        assert postfix.send("pablo@runv.club").accepted
        assert site.sink is not None
        assert b"Hello." in site.sink.wait_for("p@example.org").content

        refused = postfix.send("nobody@runv.club")
        assert refused.code == 550
        assert refused.text.startswith("5.1.1 ")


@pytest.mark.needs("root", "postfix")
def test_postfix_leaves_no_process_and_no_file(site: Site, postfix: PrivatePostfix) -> None:
    before = set(os.listdir(site.paths.postfix))
    assert postfix.send("nobody@runv.club").code == 550
    # Its log daemon is ended like all others, whatever it has not written yet.
    unknown = "User unknown in virtual alias table"
    wait_for(lambda: unknown in postfix.log(), site.paths.postfix / "log", what="the line of the refusal")

    postfix.stop()

    assert before - set(os.listdir(site.paths.postfix)) == {"queue", "data", "log"}
    assert site.mail.run("postconf", "-h", "virtual_alias_maps").stdout == f"{site.table}\n"
    with pytest.raises(ConnectionRefusedError):
        postfix.send("nobody@runv.club")
    for entry in Path("/proc").glob("[0-9]*/environ"):
        assert f"MAIL_CONFIG={site.paths.postfix}".encode() not in _contents(entry), entry
    assert unknown in postfix.log()


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


@pytest.mark.needs("root", "postfix")
def test_postfix_that_cannot_start_says_why(site: Site) -> None:
    config = MailConfig(site.paths.postfix, maps="")
    config.write(inet_interfaces="192.0.2.1")

    with pytest.raises(AssertionError, match=r"no local interface found for 192\.0\.2\.1"):
        PrivatePostfix(config, relay_port=1).start()


@pytest.mark.needs("root", "postfix")
def test_postfix_takes_another_port_if_somebody_was_faster(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sink() as sink:
        ports = iter([sink.port, free_port()])
        monkeypatch.setattr(f"{PrivatePostfix.__module__}.free_port", lambda: next(ports))
        with PrivatePostfix(MailConfig(site.paths.postfix, maps=""), relay_port=sink.port) as postfix:
            assert postfix.port != sink.port
            assert postfix.send("outside@example.org").accepted
            assert sink.wait_for("outside@example.org").sender == "friend@elsewhere.test"


def test_the_sink_says_who_did_get_mail() -> None:
    with Sink() as sink, pytest.raises(AssertionError, match=r"message 1 to p@example.org; there is mail for \[\]"):
        sink.wait_for("p@example.org", timeout=0.01)


def test_a_condition_is_seen_in_a_directory_that_did_not_exist(tmp_path: Path) -> None:
    directory = tmp_path / "run" / "status"

    def make() -> None:
        directory.mkdir(parents=True)
        (directory / ".new").write_text("done")
        (directory / ".new").rename(directory / "status.json")

    maker = threading.Timer(0.05, make)
    maker.start()
    assert wait_for((directory / "status.json").exists, directory, what="the status")
    maker.join()


def test_a_condition_is_seen_in_a_directory_that_was_made_anew(tmp_path: Path) -> None:
    directory = tmp_path / "queue"
    directory.mkdir()
    looks = 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        return (directory / "wanted").exists()

    with Watch(directory) as watch:
        directory.rmdir()
        directory.mkdir()
        maker = threading.Timer(0.2, (directory / "wanted").touch)
        maker.start()
        assert watch.until(look, what="a file in the new directory", timeout=5)
        maker.join()
    assert looks < 10


def test_a_condition_is_seen_in_a_directory_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "place" / "queue"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "elsewhere")
    began = time.monotonic()

    with Watch(link) as watch:
        maker = threading.Timer(0.05, (link / "wanted").touch)
        maker.start()
        assert watch.until((link / "wanted").exists, what="a file behind the link", timeout=30)
        maker.join()

    # The last look, when the time is over, would find it as well.
    assert time.monotonic() - began < 20


def test_a_condition_that_reads_does_not_wake_itself(tmp_path: Path) -> None:
    looks = 0
    (tmp_path / "file").write_text("still here")

    def look() -> bool:
        nonlocal looks
        looks += 1
        return (tmp_path / "file").read_text() == "gone" or bool(os.listdir(tmp_path) == [])

    with pytest.raises(AssertionError, match=r"waited 0.3 s in vain for the file to go"):
        wait_for(look, tmp_path, what="the file to go", timeout=0.3)
    assert looks <= 4


def test_the_notify_socket_keeps_what_a_process_says(tmp_path: Path) -> None:
    with NotifySocket(tmp_path / "notify") as notify, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.connect(notify.environment()["NOTIFY_SOCKET"])
        client.send(b"READY=1\nSTATUS=first")
        assert notify.wait_for("READY=1") == "READY=1"
        assert notify.wait_for("STATUS=") == "STATUS=first"
        mark = len(notify.lines)
        for number in range(2000):
            client.send(f"STATUS={number}".encode())
        assert notify.wait_for(lambda line: line.endswith("=1999"), since=mark) == "STATUS=1999"
        with pytest.raises(AssertionError, match="in vain to be told STOPPING=1"):
            notify.wait_for("STOPPING=1", timeout=0.01)


def test_the_end_of_a_followed_process_ends_the_wait(tmp_path: Path) -> None:
    with NotifySocket(tmp_path / "notify") as notify:
        process = subprocess.Popen(["/bin/false"])
        notify.follow(process, "the program")
        with pytest.raises(AssertionError, match="the program ended before it said READY=1"):
            notify.wait_for("READY=1")
        assert wait_exit(process, what="the program") == 1


def test_code_inside_the_test_process_cannot_reach_the_hosts_postfix() -> None:
    assert not os.environ["MAIL_CONFIG"].startswith("/etc")
    assert not Path(os.environ["RUNV_MEMBER_MAIL_CONFIG"]).exists()


@pytest.mark.needs("root")
def test_what_the_tests_mount_nobody_else_sees(tmp_path: Path) -> None:
    with tmpfs(tmp_path):
        assert str(tmp_path) in Path("/proc/self/mounts").read_text()
        assert str(tmp_path) not in Path("/proc/1/mounts").read_text()
