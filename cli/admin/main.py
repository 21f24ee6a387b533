"""`runv-admin-email-alias`: the administrator's command line, with its help texts.

What each command does is in a module of its own, imported inside the command: `--help` and shell completion should be
there at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cli.admin.arguments import active_users, check_reason, check_since, waiting_users
from cli.app import CONTEXT, run, version_option
from cli.messages import _
from cli.output import format_message
from schemas.program import ADMIN_PROGRAM

if TYPE_CHECKING:
    from cli.server.database import NamedMap
    from schemas.config import Settings

_json = click.option("--json", "as_json", is_flag=True, help=_("Print JSON instead of columns and sentences."))
_no_wait = click.option(
    "--no-wait", is_flag=True, help=_("Do not wait for the outcome: hand the decision in and return at once.")
)
_reason = click.option(
    "--reason", required=True, metavar="TEXT", callback=check_reason, help=_("Why; the member reads it.")
)


@click.group(
    help=_("""\
Decide on the members' e-mail aliases, and see how they and the mail server's map stand.

A decision is handed to the watcher, which applies it at once; the commands wait for that and tell what came of it.

\b
Examples:
  sudo runv-admin-email-alias pending
  sudo runv-admin-email-alias approve pablo
  sudo runv-admin-email-alias reject pablo --reason "That address bounces."
"""),
    no_args_is_help=False,
    context_settings=CONTEXT,
)
@version_option(ADMIN_PROGRAM)
def admin_command() -> None:
    """Gather the commands."""


@admin_command.command(help=_("List the requests that wait for a decision, oldest first."))
@_json
def pending(as_json: bool) -> int:
    """List the waiting requests."""
    from cli.admin import lists  # noqa: PLC0415

    return lists.pending(_settings(), as_json=as_json)


@admin_command.command(name="list", help=_("List the aliases in the registry, active ones first."))
@_json
def list_command(as_json: bool) -> int:
    """List the registry."""
    from cli.admin import lists  # noqa: PLC0415

    return lists.list_aliases(_settings(), as_json=as_json)


@admin_command.command(
    help=_("""\
Approve the waiting request of each USER.

It is bound to what is shown: if the request has changed by the time it is applied, the approval fails and says so.

\b
Example:
  sudo runv-admin-email-alias approve pablo maria
""")
)
@click.argument("users", metavar="USER...", nargs=-1, required=True, shell_complete=waiting_users)
@click.option(
    "--sync-mail/--no-sync-mail",
    default=True,
    help=_("Wait until mail flows (default), or only until the registry has the alias."),
)
@_no_wait
def approve(users: tuple[str, ...], sync_mail: bool, no_wait: bool) -> int:
    """Approve requests."""
    from cli.admin import decisions  # noqa: PLC0415

    return decisions.approve(_settings(), users, sync_mail=sync_mail, wait=not no_wait)


@admin_command.command(
    help=_("""\
Reject the waiting request of USER.

\b
Example:
  sudo runv-admin-email-alias reject pablo --reason "That address bounces."
""")
)
@click.argument("user", shell_complete=waiting_users)
@_reason
@_no_wait
def reject(user: str, reason: str, no_wait: bool) -> int:
    """Reject a request."""
    from cli.admin import decisions  # noqa: PLC0415

    return decisions.reject(_settings(), user, reason, wait=not no_wait)


@admin_command.command(
    help=_("""\
Switch the active alias of USER off.

\b
Example:
  sudo runv-admin-email-alias revoke pablo --reason "The account was closed."
""")
)
@click.argument("user", shell_complete=active_users)
@_reason
@_no_wait
def revoke(user: str, reason: str, no_wait: bool) -> int:
    """Switch an alias off."""
    from cli.admin import decisions  # noqa: PLC0415

    return decisions.revoke(_settings(), user, reason, wait=not no_wait)


@admin_command.command(
    help=_("""\
Have the watcher bring the mail server's map into line with the registry.

It does so by itself after every change; this asks it to look again, and tells what stands in the way. A change of more
than 30 % of the map is held back until --force, which holds for the registry as it is now.

\b
Examples:
  sudo runv-admin-email-alias sync --dry-run
  sudo runv-admin-email-alias sync --force
""")
)
@click.option("--dry-run", is_flag=True, help=_("Only show what would change."))
@click.option("--config", metavar="FILE", type=click.Path(), help=_("Go by FILE in place of the usual configuration."))
@click.option(
    "--force", is_flag=True, help=_("Publish the registry as it is now, though it changes more than is done unasked.")
)
@_no_wait
@_json
def sync(dry_run: bool, config: str | None, force: bool, no_wait: bool, as_json: bool) -> int:
    """Bring the map into line."""
    unfit = {"--force": force, "--no-wait": no_wait} if dry_run else {"--json": as_json}
    for option in (option for option, given in unfit.items() if given):
        sentence = (
            _("{option} does not go with --dry-run, which changes nothing.")
            if dry_run
            else _("{option} goes with --dry-run only.")
        )
        raise click.UsageError(format_message(sentence, option=option), click.get_current_context())
    from cli.admin import sync  # noqa: PLC0415

    if dry_run:
        return sync.dry_run(_settings(config), as_json=as_json)
    return sync.sync(_settings(config), force=force, wait=not no_wait)


@admin_command.command(
    help=_("""\
Tell how the watcher and the mail server's map stand.

With --json, one object: running (true or false) and status (the watcher's status file, or null where it left none).
""")
)
@_json
def status(as_json: bool) -> int:
    """Show the watcher."""
    from cli.admin import status  # noqa: PLC0415

    return status.status(_settings(), as_json=as_json)


@admin_command.command(
    help=_("""\
Show what happened, who decided it, and when: requests, refusals, cancels, decisions, and every new map.

\b
Examples:
  sudo runv-admin-email-alias log --since today
  sudo runv-admin-email-alias log --user pablo --since 7d
""")
)
@click.option("--user", metavar="NAME", help=_("Only what is about NAME."))
@click.option(
    "--since",
    metavar="TIME",
    callback=check_since,
    help=_(
        "Only what happened since TIME: an age such as 30m, 12h, 7d or 2w; `today` or `yesterday`; or a date, with or "
        "without a time, in UTC: 2026-05-19, 2026-05-19T20:55."
    ),
)
@_json
def log(user: str | None, since: str | None, as_json: bool) -> int:
    """Show the audit log."""
    from cli.admin import log  # noqa: PLC0415

    return log.log(_settings(), user=user, since=since, as_json=as_json)


@admin_command.command(
    help=_("""\
Take stock of the mail server: packages, services, Postfix's settings, and files.

It changes nothing. Of files it tells whether they are there, never what is in them. What could not be asked, and why,
stands at the end.

With --map, what a map in a database points at, and the lines of the configuration for it. The password is not shown.

\b
Examples:
  sudo runv-admin-email-alias discover
  sudo runv-admin-email-alias discover --map mysql:/etc/postfix/map.cf
  sudo runv-admin-email-alias discover --json
""")
)
@click.option(
    "--map",
    "map_file",
    metavar="FILE",
    type=click.Path(),
    help=_("Show the map in a database that FILE leads to, a path or type:path, instead."),
)
@_json
def discover(map_file: str | None, as_json: bool) -> int:
    """Take stock of the mail server, or of one map in a database."""
    if map_file is None:
        from cli.discover import columns  # noqa: PLC0415

        return columns.discover(as_json=as_json)
    from cli.discover.map import discover_map  # noqa: PLC0415
    from schemas.config import load_settings  # noqa: PLC0415

    return discover_map(_named_map(map_file), load_settings(may_be_absent=True), as_json=as_json)


@admin_command.command(
    help=_("""\
Look whether everything is as it has to be, and show the command that mends what is not.

It changes nothing. The exit status is 1 where there is a problem, and 0 where there are warnings at most.

\b
Example:
  sudo runv-admin-email-alias doctor
""")
)
@_json
def doctor(as_json: bool) -> int:
    """Look whether all is well."""
    from cli.doctor.run import doctor  # noqa: PLC0415

    return doctor(_settings(), as_json=as_json)


@admin_command.command(
    help=_("""\
Make or mend everything the service needs, and move an earlier installation over.

Group, directories, modes, registry and lock are put right; requests and history of the earlier tool, in the queue
directory, become records. Doing it again changes nothing.

\b
Examples:
  sudo runv-admin-email-alias setup --dry-run
  sudo runv-admin-email-alias setup --add-existing-users --enable
  sudo runv-admin-email-alias setup --enable --map mysql:/etc/postfix/map.cf
""")
)
@click.option("--dry-run", is_flag=True, help=_("Only show what would be done."))
@click.option("--group", metavar="NAME", help=_("Let NAME be the members' group from now on."))
@click.option(
    "--add-existing-users",
    is_flag=True,
    help=_("Add the accounts of users.json in the state directory to the members' group."),
)
@click.option(
    "--enable",
    is_flag=True,
    help=_("Switch publishing on, and set Postfix up for it, after showing the commands and asking."),
)
@click.option(
    "--map",
    "map_file",
    metavar="FILE",
    type=click.Path(),
    help=_("With --enable: keep the aliases in the database that FILE, a path or type:path, leads to."),
)
@click.option("--yes", is_flag=True, help=_("With --enable: do not ask."))
def setup(
    dry_run: bool, group: str | None, add_existing_users: bool, enable: bool, map_file: str | None, yes: bool
) -> int:
    """Make or mend everything."""
    if map_file is not None and not enable:
        raise click.UsageError(_("--map goes with --enable only."), click.get_current_context())
    if yes and not enable:
        raise click.UsageError(_("--yes goes with --enable only."), click.get_current_context())
    from cli.setup import command  # noqa: PLC0415
    from cli.setup.group import refusal  # noqa: PLC0415
    from schemas.config import load_settings  # noqa: PLC0415

    if group is not None and (refused := refusal(group)) is not None:
        raise click.UsageError(refused, click.get_current_context())
    # The config may be missing: what has to be in it is written.
    return command.setup(
        load_settings(may_be_absent=True),
        dry_run=dry_run,
        wanted_group=group,
        add_existing_users=add_existing_users,
        enable=enable,
        ask=not yes,
        named=None if map_file is None else _named_map(map_file),
    )


def _settings(path: str | None = None) -> Settings:
    from schemas.config import load_settings  # noqa: PLC0415

    return load_settings(path)


def _named_map(given: str) -> NamedMap:
    from cli.server.database import UnknownMapError, named_map  # noqa: PLC0415

    try:
        return named_map(given)
    except UnknownMapError as error:
        raise click.UsageError(str(error), click.get_current_context()) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the administrator command; give its exit status."""
    return run(admin_command, ADMIN_PROGRAM, arguments)
