"""What the kernel's own files tell of mounts, whatever the mount points are called."""

import contextlib
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import StateError
from schemas.fs.mounts import Mount, all_mounts, mount_of, parse_mount_of, parse_mounts
from tests.support.steady import STEADY

LINE = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"


def point(name: bytes) -> bytes:
    """A mountinfo file of one line, with the four bytes escaped that the kernel escapes."""
    for octet in b"\\ \t\n":
        name = name.replace(bytes([octet]), b"\\%03o" % octet)
    return b"36 35 0:1 / /queue/" + name + b" rw - tmpfs none rw\n"


def test_a_line_as_the_manual_has_it() -> None:
    assert parse_mounts(LINE) == [Mount(36, 35, "/mnt2", "ext3")]


@pytest.mark.parametrize("optional", [b"", b" shared:1", b" shared:1 master:2 propagate_from:3 unbindable"])
def test_any_number_of_optional_fields(optional: bytes) -> None:
    line = b"36 35 98:0 / /queue rw" + optional + b" - fuse.a-b alice -\n"
    assert parse_mounts(line + LINE) == [Mount(36, 35, "/queue", "fuse.a-b"), Mount(36, 35, "/mnt2", "ext3")]


@settings(STEADY, max_examples=300)
@given(name=st.lists(st.integers(1, 255).filter(lambda octet: octet != 47), min_size=1).map(bytes))
def test_a_mount_point_may_have_any_name(name: bytes) -> None:
    assert parse_mounts(point(name)) == [Mount(36, 35, "/queue/" + os.fsdecode(name), "tmpfs")]


@pytest.mark.parametrize("name", [bytes([octet]) for octet in range(1, 256) if octet != 47] + [b" - ", b"\\040", b"-"])
def test_no_octet_in_a_name_ends_a_line(name: bytes) -> None:
    assert [each.point for each in parse_mounts(point(name) + LINE)] == ["/queue/" + os.fsdecode(name), "/mnt2"]


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"36 35 98:0 / /queue rw\n",
        b"36 35 98:0 / /queue - tmpfs none rw\n",
        b"36 35 98:0 / queue rw - tmpfs none rw\n",
        b"x 35 98:0 / /queue rw - tmpfs none rw\n",
        b"9" * 5000 + b" 35 98:0 / /queue rw - tmpfs none rw\n",
        LINE[:-1],
        LINE + b"\n",
    ],
)
def test_what_is_no_line_is_not_passed_over(data: bytes) -> None:
    with pytest.raises(StateError, match=r"^(A line of|The file) /proc/self/mountinfo") as found:
        parse_mounts(data)
    assert str(found.value).isprintable()


@settings(STEADY, max_examples=500)
@given(data=st.binary(max_size=120), at=st.integers(0, len(LINE)), cut=st.integers(0, 9))
def test_no_octets_are_unforeseen(data: bytes, at: int, cut: int) -> None:
    for each in (data, LINE[:at] + data + LINE[at + cut :], b"mnt_id:" + data):
        for parse in (parse_mounts, parse_mount_of):
            with contextlib.suppress(StateError):
                parse(each)


def test_the_mount_of_a_file() -> None:
    assert parse_mount_of(b"pos:\t0\nflags:\t012100000\nmnt_id:\t29\nino:\t7\n") == 29
    fd = os.open("/", os.O_PATH)
    try:
        assert mount_of(fd) in {each.identifier for each in all_mounts()}
    finally:
        os.close(fd)


@pytest.mark.parametrize("data", [b"", b"pos:\t0\n", b"mnt_id:\t\n", b"mnt_id:\t2\r9\n", b"mnt_id:\t" + b"9" * 5000])
def test_a_mount_that_is_not_told_is_no_number(data: bytes) -> None:
    with pytest.raises(StateError, match=r"^The kernel does not say"):
        parse_mount_of(data)


def test_a_file_that_is_not_open_has_no_mount() -> None:
    with pytest.raises(StateError, match=r"^The file /proc/self/fdinfo/999999 cannot be read \(No such file"):
        mount_of(999_999)
