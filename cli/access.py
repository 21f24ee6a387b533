"""Why a directory of the service cannot be used, in words for the one who asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cli import sentences
from cli.output import format_message
from schemas.errors import StateError


@contextlib.contextmanager
def access(path: str, *, denied: str, missing: str) -> Iterator[None]:
    """Turn trouble with *path* into a `StateError` with a next step.

    Args:
        path: the directory that is used inside.
        denied: the whole sentence where the account may not do it.
        missing: the whole sentence where it is not there.
    """
    try:
        yield
    except (StateError, OSError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, PermissionError):
            raise StateError(denied) from error
        if isinstance(cause, FileNotFoundError | NotADirectoryError):
            raise StateError(missing) from error
        if isinstance(error, OSError):
            raise StateError(format_message(sentences.FILE_TROUBLE, place=path, why=error.strerror)) from error
        raise


def is_missing(error: StateError) -> bool:
    """Whether *error* only says that a directory has not been made yet."""
    return isinstance(error.__cause__, FileNotFoundError)
