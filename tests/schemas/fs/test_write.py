"""Writing: whoever looks sees the old contents or the new, with the right mode and group, and no leftovers."""

import errno
import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemas.fs.directory import Directory, signature_of, temporary_name


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """As on a full disk: no file grows beyond *size*; the kernel writes the part that fits and then fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Directory]:
    with Directory(str(tmp_path)) as directory:
        yield directory


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o777])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_file_has_its_contents_and_mode_whatever_the_umask(
    here: Directory, tmp_path: Path, mode: int, umask: int
) -> None:
    previous = os.umask(umask)
    try:
        signature = here.write("status.json", b"contents", mode)
    finally:
        os.umask(previous)
    path = tmp_path / "status.json"
    assert (path.read_bytes(), mode_of(path)) == (b"contents", mode)
    assert signature == signature_of(path.stat())
    assert os.listdir(tmp_path) == ["status.json"]


def test_writing_again_replaces_the_file_and_not_its_contents(here: Directory, tmp_path: Path) -> None:
    here.write("status.json", b"old", 0o644)
    with (tmp_path / "status.json").open("rb") as reader:
        here.write("status.json", b"new", 0o600)
        assert reader.read() == b"old"
    assert ((tmp_path / "status.json").read_bytes(), mode_of(tmp_path / "status.json")) == (b"new", 0o600)


def test_a_long_file_is_written_whole(here: Directory, tmp_path: Path) -> None:
    data = os.urandom(5 * 2**20 + 17)
    here.write("long", data, 0o600)
    assert (tmp_path / "long").read_bytes() == data


def test_on_a_full_disk_the_old_contents_stay_and_nothing_is_left_behind(here: Directory, tmp_path: Path) -> None:
    here.write("registry.json", b"old", 0o640)
    with room_for(1000), pytest.raises(OSError, match="File too large") as failure:
        here.write("registry.json", b"n" * 5000, 0o640)
    assert failure.value.filename == f"{tmp_path}/.registry.json.tmp"
    assert (tmp_path / "registry.json").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["registry.json"]


def test_where_a_directory_has_the_name_nothing_is_left_behind(here: Directory, tmp_path: Path) -> None:
    (tmp_path / "status.json").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        here.write("status.json", b"new", 0o644)
    assert os.listdir(tmp_path) == ["status.json"]


@pytest.mark.needs("root")
def test_without_the_right_to_write_nothing_is_changed(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_bytes(b"old")
    tmp_path.chmod(0o555)
    with Directory(str(tmp_path)) as here:
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionError):
                here.write("status.json", b"new", 0o644)
        finally:
            os.seteuid(0)
    assert (tmp_path / "status.json").read_bytes() == b"old"


@pytest.mark.needs("root")
def test_without_the_right_to_give_the_group_nothing_is_changed(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with Directory(str(tmp_path)) as here:
        here.write("record.json", b"old", 0o640)
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionError) as failure:
                here.write("record.json", b"new", 0o640, gid=30001)
        finally:
            os.seteuid(0)
    assert failure.value.errno == errno.EPERM
    assert (tmp_path / "record.json").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["record.json"]


def link_to_secret(path: Path) -> None:
    path.symlink_to("secret")


def second_name(path: Path) -> None:
    path.hardlink_to(path.parent / "secret")


@pytest.mark.parametrize("make", [link_to_secret, second_name, os.mkfifo, Path.touch])
def test_whatever_lies_under_the_temporary_name_is_removed_and_never_written_to(
    here: Directory, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    (tmp_path / "secret").write_bytes(b"not ours")
    make(tmp_path / temporary_name("status.json"))
    here.write("status.json", b"new", 0o644)
    assert (tmp_path / "secret").read_bytes() == b"not ours"
    assert (tmp_path / "status.json").read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["secret", "status.json"]


def test_a_link_under_the_name_is_replaced_and_not_followed(here: Directory, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"not ours")
    (tmp_path / "status.json").symlink_to("secret")
    here.write("status.json", b"new", 0o644)
    assert (tmp_path / "secret").read_bytes() == b"not ours"
    assert not (tmp_path / "status.json").is_symlink()


@pytest.mark.needs("root")
def test_a_file_is_given_its_group_or_takes_the_directorys(tmp_path: Path) -> None:
    os.chown(tmp_path, -1, 30001)
    tmp_path.chmod(0o2770)
    with Directory(str(tmp_path)) as here:
        here.write("inherited", b"", 0o640)
        here.write("given", b"", 0o640, gid=30002)
    assert [(tmp_path / name).stat().st_gid for name in ("inherited", "given")] == [30001, 30002]
    assert [mode_of(tmp_path / name) for name in ("inherited", "given")] == [0o640, 0o640]


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_folder_has_its_mode_whatever_the_umask_and_inherits_group_and_set_gid(
    here: Directory, tmp_path: Path, umask: int
) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, -1, 30001)
    tmp_path.chmod(0o2750)
    previous = os.umask(umask)
    try:
        assert here.make("pending", 0o750)
        assert not here.make("pending", 0o700)
        assert os.umask(umask) == umask
    finally:
        os.umask(previous)
    assert mode_of(tmp_path / "pending") == 0o2750
    assert (tmp_path / "pending").stat().st_gid == tmp_path.stat().st_gid


def test_what_is_there_already_under_a_folders_name_is_left(here: Directory, tmp_path: Path) -> None:
    (tmp_path / "pending").write_bytes(b"a file")
    assert not here.make("pending", 0o750)
    assert (tmp_path / "pending").read_bytes() == b"a file"


def test_a_file_is_moved_from_folder_to_folder_and_removed_once(here: Directory, tmp_path: Path) -> None:
    here.make("approved", 0o700)
    signature = here.write("record.json", b"x", 0o640)
    with Directory(str(tmp_path / "approved")) as approved:
        here.rename("record.json", "record.json", approved)
        assert not here.has("record.json")
        assert approved.signature("record.json") == signature
        assert approved.remove("record.json")
        assert not approved.remove("record.json")
