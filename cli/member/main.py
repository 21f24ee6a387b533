"""`runv-email-alias`: the member's command line, with its help texts.

What each command does is in a module of its own, imported inside the command: `--help` and shell completion should be
there at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cli.app import CONTEXT, run, version_option
from cli.messages import _
from cli.output import echo_error, format_message
from schemas.program import MEMBER_PROGRAM, ExitStatus

if TYPE_CHECKING:
    from cli.identity import Member

_no_wait = click.option("--no-wait", is_flag=True, help=_("Do not wait for the answer: hand it in and return at once."))


@click.group(
    help=_("""\
Ask for an e-mail alias on this server, see how it stands, and cancel it.

Your alias is your account name at the server's domain. Mail to it goes to one address of yours elsewhere, once an
administrator has approved it.

\b
Examples:
  runv-email-alias request me@example.org
  runv-email-alias status
"""),
    no_args_is_help=False,
    context_settings=CONTEXT,
)
@version_option(MEMBER_PROGRAM)
def member_command() -> None:
    """Gather the commands."""


@member_command.command(
    help=_("""\
Ask that mail to your alias goes to DEST, one address elsewhere.

An administrator approves or rejects it. With an active alias this asks for another destination, and mail goes on to the
present one until the change is approved.

\b
Example:
  runv-email-alias request me@example.org
""")
)
@click.argument("destination", metavar="DEST")
@_no_wait
def request(destination: str, no_wait: bool) -> int:
    """Ask for the alias or another destination."""
    from cli.member import requests  # noqa: PLC0415
    from schemas.config import load_settings  # noqa: PLC0415

    settings = load_settings()
    member = _member()
    return requests.request(settings, member, destination, wait=not no_wait) if member else ExitStatus.FAILED


@member_command.command(
    help=_("""\
Withdraw your request that waits for an administrator; with --active, switch your active alias off at once.

\b
Examples:
  runv-email-alias cancel
  runv-email-alias cancel --active
""")
)
@click.option(
    "--active",
    is_flag=True,
    help=_("Switch your active alias off. No approval is needed; mail to it is no longer accepted then."),
)
@_no_wait
def cancel(active: bool, no_wait: bool) -> int:
    """Withdraw, or switch off."""
    from cli.member import requests  # noqa: PLC0415
    from schemas.config import load_settings  # noqa: PLC0415

    settings = load_settings()
    member = _member()
    return requests.cancel(settings, member, active=active, wait=not no_wait) if member else ExitStatus.FAILED


@member_command.command(
    help=_("""\
Tell how your alias and your requests stand.

With --json, one object whose keys are always the same: username, alias, state (none, pending, active, change-pending,
rejected, refused, revoked, cancelled, inactive or unknown), active, held_up, pending, ended, last, queued,
watcher_running and problems.
""")
)
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object instead of sentences."))
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
        echo_error(
            format_message(
                _(
                    "Your user id {uid} has no account name on this server, so it cannot have an alias. Tell an "
                    "administrator."
                ),
                uid=os.getuid(),
            )
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the member command; give its exit status."""
    return run(member_command, MEMBER_PROGRAM, arguments)
