"""A wait for a server that never answers has an end."""

import socket

from watcher.publish.sql.connection import Deadline


def test_a_read_that_would_never_end_ends() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Deadline(0.05) as deadline:
        deadline.guard(ours.fileno())
        ours.settimeout(10)
        assert ours.recv(1) == b""
        assert deadline.passed


def test_a_connection_that_comes_too_late_is_cut_off_at_once() -> None:
    ours, theirs = socket.socketpair()
    earlier, peer = socket.socketpair()
    with ours, theirs, earlier, peer, Deadline(0.01) as deadline:
        deadline.guard(earlier.fileno())
        earlier.settimeout(10)
        assert earlier.recv(1) == b""  # the time has come
        deadline.guard(ours.fileno())
        ours.settimeout(10)
        assert ours.recv(1) == b""


def test_nothing_is_cut_off_before_its_time() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with Deadline(60) as deadline:
            deadline.guard(ours.fileno())
        theirs.send(b"x")
        assert ours.recv(1) == b"x"
        assert not deadline.passed
