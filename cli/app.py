"""How both commands run: the one place where an exception becomes a sentence and an exit status."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

import click

from cli.messages import _
from cli.output import echo, echo_error, format_message, safe_text
from schemas.errors import ConfigError, ExpectedError, StateError
from schemas.program import ExitStatus

CONTEXT = {"help_option_names": ["-h", "--help"]}
"""What both command lines have in common."""


@contextlib.contextmanager
def access(path: str, *, denied: str, missing: str) -> Iterator[None]:
    """Turn whatever keeps *path* from being used into a `StateError` with a next step.

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
            raise StateError(
                format_message(
                    _("{path} cannot be used ({why}). Look for a full disk, or a wrong owner or mode, and try again."),
                    path=path,
                    why=error.strerror,
                )
            ) from error
        raise


def is_missing(error: StateError) -> bool:
    """Whether *error* only says that a directory has not been made yet."""
    return isinstance(error.__cause__, FileNotFoundError)


def run(command: click.Command, name: str, arguments: Sequence[str] | None) -> int:
    """Run *command* as the program *name* and give its exit status.

    Args:
        command: its callbacks return an exit status.
        name: how the program is called in its usage text and for shell completion.
        arguments: the command line without the program; that of the process where `None`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal in a Latin-1 or plain ASCII locale cannot show every letter: an escape is better than no line.
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _status(command, name, arguments)
    except OSError:
        # Standard error cannot be used either, so nothing can be said.
        status = ExitStatus.FAILED
    for stream in (sys.stdout, sys.stderr):
        _discard_unwritable(stream)
    return status


def _status(command: click.Command, name: str, arguments: Sequence[str] | None) -> int:
    try:
        status = command.main(
            args=None if arguments is None else list(arguments), prog_name=name, standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        echo_error(_("Interrupted. What was handed in before that stays, and is dealt with."))
        return ExitStatus.INTERRUPTED
    except ConfigError as error:
        for line in str(error).split("\n"):
            echo_error(safe_text(line))
        return ExitStatus.CONFIGURATION
    except ExpectedError as error:
        echo_error(safe_text(str(error)))
        return ExitStatus.FAILED
    except OSError as error:
        echo_error(format_message(_("A file or the output cannot be used: {why}."), why=str(error)))
        return ExitStatus.FAILED
    return status if isinstance(status, int) else ExitStatus.DONE


def _discard_unwritable(stream: TextIO | None) -> None:
    """Flush *stream*, or let go of what it holds where that cannot be written, as on a full disk.

    The interpreter would try once more at its end, complain in words of its own, and exit with 120, which is none of
    our statuses.
    """
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def version_option(program: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the option `--version` of *program*, which looks the version up only when it is asked."""

    def show(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
        if not wanted or context.resilient_parsing:
            return
        from schemas.program import installed_version  # noqa: PLC0415

        echo(format_message(_("{program} {version}"), program=program, version=installed_version()))
        context.exit()

    return click.option(
        "--version",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=show,
        help=_("Show the version and exit."),
    )
