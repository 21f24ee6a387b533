"""`runv-email-alias`: the member's command line. What each command does is in rooms of its own, imported when needed.

Everything heavy is imported inside the commands: `--help` and shell completion should be there at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cli.app import CONTEXT, run, version_option
from cli.member import sentences
from cli.output import echo_error, format_message
from schemas.program import ExitStatus

if TYPE_CHECKING:
    from cli.identity import Member


@click.group(help=sentences.PROGRAM_HELP, no_args_is_help=False, context_settings=CONTEXT)
@version_option(sentences.PROGRAM)
def member_command() -> None:
    """Gather the commands."""


@member_command.command(help=sentences.REQUEST_HELP)
@click.argument("destination", metavar="DEST")
@click.option("--no-wait", is_flag=True, help=sentences.NO_WAIT_HELP)
def request(destination: str, no_wait: bool) -> int:
    """Ask for the alias or another destination."""
    from cli.member import requests  # noqa: PLC0415
    from schemas.config import load_settings  # noqa: PLC0415

    settings = load_settings()
    member = _member()
    return requests.request(settings, member, destination, wait=not no_wait) if member else ExitStatus.FAILED


@member_command.command(help=sentences.CANCEL_HELP)
@click.option("--active", is_flag=True, help=sentences.ACTIVE_HELP)
@click.option("--no-wait", is_flag=True, help=sentences.NO_WAIT_HELP)
def cancel(active: bool, no_wait: bool) -> int:
    """Withdraw, or switch off."""
    from cli.member import requests  # noqa: PLC0415
    from schemas.config import load_settings  # noqa: PLC0415

    settings = load_settings()
    member = _member()
    return requests.cancel(settings, member, active=active, wait=not no_wait) if member else ExitStatus.FAILED


@member_command.command(help=sentences.STATUS_HELP)
@click.option("--json", "as_json", is_flag=True, help=sentences.JSON_HELP)
def status(as_json: bool) -> int:
    """Show how things stand."""
    from cli.member import status  # noqa: PLC0415
    from schemas.config import load_settings  # noqa: PLC0415

    settings = load_settings()
    member = _member()
    return status.status(settings, member, as_json=as_json) if member else ExitStatus.FAILED


def _member() -> Member | None:
    import os  # noqa: PLC0415

    from cli import identity  # noqa: PLC0415

    found = identity.member()
    if found is None:
        echo_error(format_message(sentences.NO_ACCOUNT, uid=os.getuid()))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the member command; give its exit status."""
    return run(member_command, sentences.PROGRAM, arguments)
