"""What the account files say, and when that is believed."""

import os
import re
from pathlib import Path

import pytest

from watcher.accounts import AccountFiles, AccountsUnreadableError, LocalAccount, Mark, long_ago

USERS = "root:x:0:0:root:/root:/bin/bash\npablo:x:1000:1000:Pablo,,,:/home/pablo:/bin/bash\n"
GROUPS = "root:x:0:\nrunv-members:x:990:pablo,maria\n"


@pytest.fixture
def files(tmp_path: Path) -> AccountFiles:
    (tmp_path / "passwd").write_text(USERS)
    (tmp_path / "group").write_text(GROUPS)
    return AccountFiles({"NSS_WRAPPER_PASSWD": f"{tmp_path}/passwd", "NSS_WRAPPER_GROUP": f"{tmp_path}/group"})


def test_they_are_those_of_the_system_unless_nss_wrapper_names_others() -> None:
    assert AccountFiles({}).paths == ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf")
    assert AccountFiles({"NSS_WRAPPER_PASSWD": "/a/users"}).paths == ("/a/users", "/etc/group", "/a/nsswitch.conf")


def test_the_files_of_this_machine_are_believed() -> None:
    assert AccountFiles({}).read().users["root"] == (0, 0)


def test_each_entry_is_read_and_of_two_of_one_name_the_first(files: AccountFiles, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text(f"# accounts\n\n{USERS}pablo:x:2000:2000::/:/bin/sh\n")
    local = files.read()
    assert local.users == {"root": LocalAccount(0, 0), "pablo": LocalAccount(1000, 1000)}
    assert (local.asked_first, local.foreign_users, local.foreign_groups) == (True, (), ())


@pytest.mark.parametrize(
    "line",
    ["pablo", "pablo:x:1000:1000", ":x:1000:1000::/:/bin/sh", "pablo:x:one:1000::/:/bin/sh", "pablo:x:1:-1::/:/bin/sh"],
)
def test_a_line_that_is_no_entry_makes_the_whole_file_unbelievable(
    files: AccountFiles, tmp_path: Path, line: str
) -> None:
    (tmp_path / "passwd").write_text(f"{USERS}{line}\n")
    found = re.escape(
        f"Line 3 of the account file {files.passwd} is no entry: {line}. Look with `pwck -r {files.passwd}` and mend "
        "it; until then no alias is switched off because its account is gone."
    )
    with pytest.raises(AccountsUnreadableError, match=rf"^{found}$") as raised:
        files.read()
    assert raised.value.lasts


@pytest.mark.parametrize("name", ["passwd", "group"])
def test_neither_file_may_be_empty(files: AccountFiles, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(AccountsUnreadableError, match=rf"^The account file {tmp_path}/{name} has no entry\. Bring "):
        files.read()


def test_a_file_that_cannot_be_read_is_tried_again(files: AccountFiles, tmp_path: Path) -> None:
    (tmp_path / "group").unlink()
    (tmp_path / "group").mkdir()
    with pytest.raises(AccountsUnreadableError, match=r"group is not a plain file\. Until it can, ") as raised:
        files.read()
    assert not raised.value.lasts


@pytest.mark.parametrize(
    ("lines", "first", "users", "groups"),
    [
        ("passwd: files systemd\ngroup: files [SUCCESS=merge] systemd", True, (), ()),
        ("passwd:\tcompat\ngroup:compat # NIS no more", True, (), ()),
        ("passwd: files sss\ngroup: files", True, ("sss",), ()),
        ("passwd: ldap [NOTFOUND=return] files\ngroup: files [!UNAVAIL=return] nis", False, ("ldap",), ("nis",)),
        ("# passwd: sss\nshadow: files sss", True, (), ()),
        ("passwd: files extrausers", True, ("extrausers",), ()),
    ],
)  # fmt: skip
def test_the_other_services_that_know_accounts_are_found(
    files: AccountFiles, tmp_path: Path, lines: str, first: bool, users: tuple[str, ...], groups: tuple[str, ...]
) -> None:
    (tmp_path / "nsswitch.conf").write_text(f"{lines}\n")
    local = files.read()
    assert (local.asked_first, local.foreign_users, local.foreign_groups) == (first, users, groups)


@pytest.mark.parametrize(
    ("services", "alone"),
    [
        ("files", True),
        ("compat", True),
        ("files systemd", False),
        ("systemd", False),
        ("files sss", False),
        ("", False),
    ],
)
def test_whether_nothing_but_the_file_is_asked_is_found(
    files: AccountFiles, tmp_path: Path, services: str, alone: bool
) -> None:
    (tmp_path / "nsswitch.conf").write_text(f"passwd: {services}\ngroup: files sss\n")
    assert files.read().alone == alone


def test_a_line_that_merges_what_another_service_knows_counts_as_such_a_service(
    files: AccountFiles, tmp_path: Path
) -> None:
    (tmp_path / "passwd").write_text(f"{USERS}+::::::\n")
    assert files.read().foreign_users == ()
    (tmp_path / "nsswitch.conf").write_text("passwd: compat\ngroup: files\n")
    assert files.read().foreign_users == ("nis",)


def test_a_change_of_any_of_them_leaves_other_marks(files: AccountFiles, tmp_path: Path) -> None:
    seen = {files.marks()}
    (tmp_path / "nsswitch.conf").write_text("passwd: files\n")
    seen.add(files.marks())
    for name in ("passwd", "group"):
        # The same contents and the same times: an inode of its own tells.
        status = (tmp_path / name).stat()
        (tmp_path / "new").write_text((tmp_path / name).read_text())
        os.utime(tmp_path / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
        (tmp_path / "new").rename(tmp_path / name)
        seen.add(files.marks())
    (tmp_path / "passwd").unlink()
    seen.add(files.marks())
    assert len(seen) == 5


def test_files_that_were_only_just_written_are_not_old_whatever_their_mtime(files: AccountFiles) -> None:
    for path in files.paths[:2]:
        os.utime(path, (0, 0))
    assert not long_ago(files.marks())
    assert long_ago((Mark(1, 2, 3, 4, 5), None, None))
