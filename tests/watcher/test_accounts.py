"""Who is a member, by the machine's own accounts and groups."""

import grp
import pwd

import pytest

from watcher.accounts import Accounts, GroupMissingError


def test_an_account_is_a_member_by_its_primary_group() -> None:
    own = pwd.getpwuid(0)
    accounts = Accounts(grp.getgrgid(own.pw_gid).gr_name)
    assert accounts.gid == own.pw_gid
    for found in (accounts.of_uid(own.pw_uid), accounts.of_name(own.pw_name)):
        assert found == (own.pw_name, own.pw_uid, True)


def test_an_account_of_another_group_is_no_member() -> None:
    group = next(each for each in grp.getgrall() if each.gr_gid != pwd.getpwuid(0).pw_gid and "root" not in each.gr_mem)
    found = Accounts(group.gr_name).of_name("root")
    assert found is not None
    assert not found.member


def test_an_account_is_a_member_by_being_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    group = grp.struct_group(("runv-members", "x", 54321, ["root", "pablo"]))
    monkeypatch.setattr(grp, "getgrnam", {"runv-members": group}.__getitem__)
    found = Accounts("runv-members").of_uid(0)
    assert found == ("root", 0, True)


def test_whoever_has_no_account_is_nobody() -> None:
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    uid = next(uid for uid in range(54321, 65000) if uid not in taken)
    accounts = Accounts("root")
    assert accounts.of_uid(uid) is None
    for name in ("no-such-account", "", "a\0b", "../x"):
        assert accounts.of_name(name) is None


def test_without_the_group_nobody_can_be_told_to_be_a_member() -> None:
    accounts = Accounts("no-such-group")
    for ask in (lambda: accounts.gid, lambda: accounts.of_uid(0), lambda: accounts.of_name("root")):
        with pytest.raises(GroupMissingError, match=r"^The group no-such-group does not exist.*groupadd"):
            ask()


def test_accounts_are_asked_once_in_a_pass_and_again_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = Accounts("root")
    assert accounts.of_uid(0) == ("root", 0, True)
    renamed = pwd.struct_passwd(("toor", "x", 0, 0, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: renamed)
    assert accounts.of_uid(0) == ("root", 0, True)
    accounts.forget()
    assert accounts.of_uid(0) == ("toor", 0, True)
