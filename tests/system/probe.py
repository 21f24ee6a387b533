"""What the service's sandbox lets through and what it stops, tried from within; run by systemd on the machine."""

import fcntl
import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

STATE = "/var/lib/runv"


def _reads_a_members_private_file() -> None:
    Path(STATE, "email-alias-queue/.private").read_text()


def _keeps_its_writers_out() -> None:
    with Path(STATE, "email-alias-queue/.private").open() as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)


def _speaks_smtp() -> None:
    with socket.create_connection(("127.0.0.1", 25), 10) as connection:
        assert connection.recv(3) == b"220"


def _speaks_tcp_over_ipv6() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as server:
        server.bind(("::1", 0))


def _speaks_over_a_unix_socket() -> None:
    # That is how a database on the same machine is reached.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect("/run/dbus/system_bus_socket")


def _asks_postconf() -> None:
    subprocess.run(["/usr/sbin/postconf", "-h", "virtual_alias_maps"], check=True, capture_output=True)


def _runs_postmap() -> None:
    source = Path("/etc/postfix/probe")
    source.write_text("a b\n")
    for kind in ("hash", "lmdb"):
        done = subprocess.run(["/usr/sbin/postmap", f"{kind}:{source}"], check=True, capture_output=True)
        assert done.stderr == b"", done.stderr
        Path(f"{source}.{'db' if kind == 'hash' else kind}").unlink()
    source.unlink()


def _reloads_postfix() -> None:
    subprocess.run(["/usr/bin/systemctl", "reload", "postfix"], check=True, capture_output=True)


def _writes_to_the_system() -> None:
    Path("/etc/probe").write_text("")


def _writes_a_program() -> None:
    Path("/usr/bin/probe").write_text("")


def _looks_into_a_home() -> None:
    assert os.listdir("/home")


def _becomes_somebody_else() -> None:
    os.setuid(1)


def _makes_a_set_gid_file() -> None:
    path = Path(STATE, "probe-set-gid")
    path.touch()
    try:
        path.chmod(0o2755)
    finally:
        path.unlink()


def _speaks_raw() -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


def _makes_a_namespace() -> None:
    subprocess.run(["/usr/bin/unshare", "--user", "true"], check=True, capture_output=True)


def _mounts() -> None:
    subprocess.run(["/usr/bin/mount", "-t", "tmpfs", "none", "/mnt"], check=True, capture_output=True)


_LET_THROUGH: tuple[Callable[[], None], ...] = (
    _reads_a_members_private_file,
    _keeps_its_writers_out,
    _speaks_smtp,
    _speaks_tcp_over_ipv6,
    _speaks_over_a_unix_socket,
    _asks_postconf,
    _runs_postmap,
    _reloads_postfix,
)
_STOPPED: tuple[Callable[[], None], ...] = (
    _writes_to_the_system,
    _writes_a_program,
    _looks_into_a_home,
    _becomes_somebody_else,
    _makes_a_set_gid_file,
    _speaks_raw,
    _makes_a_namespace,
    _mounts,
)


def main() -> None:
    """Try everything, and write down what was otherwise than it should be."""
    wrong = []
    for attempt in (*_LET_THROUGH, *_STOPPED):
        try:
            attempt()
        except (OSError, AssertionError, subprocess.CalledProcessError) as error:
            if attempt in _LET_THROUGH:
                wrong.append(f"{attempt.__name__}: {error!r} {getattr(error, 'stderr', '')!r}")
        else:
            if attempt in _STOPPED:
                wrong.append(f"{attempt.__name__}: nothing stopped it")
    Path(STATE, "probe.json").write_text(json.dumps(wrong))


if __name__ == "__main__":
    main()
