"""Mounts that nobody else sees: the kernel wakes whoever watches its table of mounts, other runs' watchers too."""

import ctypes
import os

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
_ALL_PRIVATE = 0x00004000 | 0x00040000  # MS_REC | MS_PRIVATE


def enter() -> None:
    """Give this process, and all that it starts, a table of mounts of its own: see mount_namespaces(7).

    Whoever is not root, or may not, keeps the one that is there, and may not mount either.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(_NEW_MOUNTS):
        return
    # The new table would hear of the old one's changes, and tell it of its own.
    if libc.mount(b"none", b"/", None, ctypes.c_ulong(_ALL_PRIVATE), None):
        raise OSError(ctypes.get_errno(), "the mounts cannot be made private")
