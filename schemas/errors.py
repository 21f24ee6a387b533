"""The exceptions for what a program of ours can foresee.

Every message is a whole sentence that names the file, what was expected, what was found, and the next step.
"""

from __future__ import annotations

import os

from schemas.text import sentence


class ExpectedError(Exception):
    """Something foreseeable stands in the way; the message is for whoever must act on it."""


class ConfigError(ExpectedError):
    """The configuration cannot be used."""


class RegistryError(ExpectedError):
    """The registry is missing, cannot be read, or breaks its schema. It never counts as empty."""


class RegistryUnreadableError(RegistryError):
    """The registry is there and cannot be read, for a reason whose end no change of the file shows."""


class RegistryBusyError(ExpectedError):
    """Another program holds the registry's lock."""


class StateError(ExpectedError):
    """A directory or file of ours cannot be read or written."""


class UnsafeFileError(ExpectedError):
    """What stands under a name is not one plain file: a link, a FIFO, a device, a file with two names."""


class BeingWrittenError(ExpectedError):
    """Somebody has a file open for writing, so that what can be read of it may be half old and half new."""


class TooLargeError(ExpectedError):
    """A file holds more than its kind may."""


def error_text(error: Exception) -> str:
    """What *error* says, as the end of a sentence: an `OSError` without its number, with the file it is about.

    It is on one line and escaped: the file may be one that a member named.
    """
    if isinstance(error, OSError) and error.strerror:
        about = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
        return sentence(f"{error.strerror}{about}")
    return sentence(str(error)).rstrip(".")
