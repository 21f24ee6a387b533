"""When a file was made: the one time of a file that neither its owner nor a rename can change."""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_SIZE = 256  # struct statx, linux/stat.h
_MASK = struct.Struct("=I")  # stx_mask, at its beginning
_BTIME = struct.Struct("=qI")  # stx_btime
_BTIME_AT = 80


def birth_ns(fd: int) -> int | None:
    """When the open file *fd* was made, in nanoseconds since the epoch; `None` where its file system does not say.

    By statx(2), which Python does not offer.
    """
    statx = _statx()
    buffer = ctypes.create_string_buffer(_SIZE)
    if statx is None or statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer) != 0:
        return None
    if not _MASK.unpack_from(buffer)[0] & _STATX_BTIME:
        return None
    seconds, nanoseconds = _BTIME.unpack_from(buffer, _BTIME_AT)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


@functools.cache
def _statx() -> Callable[..., int] | None:
    try:
        function = ctypes.CDLL(None).statx
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_char_p]
    function.restype = ctypes.c_int
    return function
