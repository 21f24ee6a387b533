"""One exception for each kind of trouble that a program of ours can foresee.

Every message is a whole sentence that names the file, what was expected, what was found, and the next step.
"""

from __future__ import annotations


class TroubleError(Exception):
    """Something foreseeable stands in the way; the message is for whoever must act on it."""


class ConfigError(TroubleError):
    """The configuration cannot be used."""


class RegistryError(TroubleError):
    """The registry is missing, cannot be read, or breaks its schema. It never counts as empty."""


class RegistryBusyError(TroubleError):
    """Another program holds the registry's lock."""


class StateError(TroubleError):
    """A directory or file of ours cannot be read or written."""


class UnsafeFileError(TroubleError):
    """What stands under a name is not one plain file: a link, a FIFO, a device, a file with two names."""


class TooLargeError(TroubleError):
    """A file holds more than its kind may."""
