"""What every test has: throwaway servers on request, and no way to the host's mail configuration."""

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .support import mount_namespace
from .support.install import Installation, install
from .support.mailconfig import MailConfig
from .support.mariadb import MariaDB
from .support.needs import require
from .support.postgresql import PostgreSQL
from .support.site import Site
from .support.turns import only, turn

_OVERRIDES = (
    "RUNV_EMAIL_ALIASES_PATH",
    "RUNV_EMAIL_ALIASES_LOCK_PATH",
    "RUNV_EMAIL_ALIAS_QUEUE_DIR",
    "RUNV_EMAIL_ALIAS_DOMAIN",
)


def pytest_configure(config: pytest.Config) -> None:
    mount_namespace.enter()
    config.addinivalue_line("markers", "needs(*what): what the machine must have, see tests/support/needs.py")
    config.addinivalue_line("markers", "alone: no test of a run beside this one may be at work meanwhile")
    config.addinivalue_line("markers", "only(what): no test of a run beside this one with the same *what* may be")
    config.addinivalue_line("markers", "step: it goes on where the test before it in its module ended")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        require(*marker.args)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Take turns with another run of the tests on this machine."""
    with ExitStack() as waited_for:
        # First, so that nobody else waits for who waits for this.
        if (marker := item.get_closest_marker("only")) is not None:
            waited_for.enter_context(only(*marker.args))
        waited_for.enter_context(turn(alone=item.get_closest_marker("alone") is not None))
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the server's processes wrote."""
    del call
    report = yield
    site = getattr(item, "funcargs", {}).get("site")
    if report.failed and isinstance(site, Site):
        for watcher in site.watchers:
            report.sections.append(("the watcher's log", watcher.log))
        if site.postfix is not None:
            report.sections.append(("Postfix's log", site.postfix.log()))
    return report


@pytest.fixture(scope="session")
def _no_mail_config() -> Iterator[MailConfig]:
    with tempfile.TemporaryDirectory(prefix="runv-no-mail-") as directory:
        yield MailConfig(Path(directory, "postfix"), maps="")


@pytest.fixture(autouse=True)
def _keep_off_the_host(_no_mail_config: MailConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Code of ours that runs inside the test process finds a Postfix without maps, and no configuration of the host."""
    monkeypatch.setenv("MAIL_CONFIG", str(_no_mail_config.directory))
    monkeypatch.setenv("RUNV_MEMBER_MAIL_CONFIG", str(_no_mail_config.directory / "absent.json"))
    for name in _OVERRIDES:
        monkeypatch.delenv(name, raising=False)
    yield
    assert os.environ.get("MAIL_CONFIG", "/etc/postfix") != "/etc/postfix", "the test opened the way to the host's maps"


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """The programs, where every account can execute them (pytest's own directories are closed to others)."""
    root = Path(tempfile.mkdtemp(prefix="runv-installation-", dir="/tmp"))
    root.chmod(0o755)
    try:
        yield install(root)
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def open_checkout() -> Iterator[Installation]:
    """The programs and these tests, where every account can run them; the checkout itself may be closed to others."""
    root = Path(tempfile.mkdtemp(prefix="runv-checkout-", dir="/tmp"))
    root.chmod(0o755)
    try:
        yield install(root, tests=True)
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A running MariaDB for the whole run; each test makes a database of its own, see `tests/support/databases.py`."""
    require("mariadb-server")
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A running PostgreSQL, as above."""
    require("postgresql")
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def site(installation: Installation) -> Iterator[Site]:
    """A server of the test's own, for hash maps, with nothing running on it."""
    require("accounts", "postfix", "postfix-hash")
    with Site(installation) as site:
        yield site
