import os
import pwd
from pathlib import Path

import pytest

from cli import identity


def test_the_member_is_the_real_uid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1)
    assert identity.member() == identity.Member(pwd.getpwuid(1).pw_name, 1)


def test_a_uid_without_an_account_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4294967290)
    assert identity.member() is None


@pytest.mark.parametrize(
    ("sudo_user", "login_uid", "operator"),
    [
        ("maria", "1", "maria"),
        ("", "1", "daemon"),
        (None, "1", "daemon"),
        (None, "4294967295", "root"),
        (None, "4294967290", "root"),
        (None, "what", "root"),
        (None, None, "root"),
        ("x\x1b[2J", "1", "x\\x1b[2J"),
        ("x" * 100, "1", "x" * 64 + "..."),
    ],
)
def test_the_operator_is_who_called_sudo_or_logged_in_or_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sudo_user: str | None, login_uid: str | None, operator: str
) -> None:
    path = tmp_path / "loginuid"
    if login_uid is not None:
        path.write_text(login_uid)
    monkeypatch.setattr(identity, "_LOGIN_UID", str(path))
    monkeypatch.delenv("SUDO_USER", raising=False)
    if sudo_user is not None:
        monkeypatch.setenv("SUDO_USER", sudo_user)
    assert identity.operator() == operator
