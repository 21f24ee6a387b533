"""`runv-admin-email-alias`: the administrator's command line. What each command does is in rooms of its own.

Everything heavy is imported inside the commands: `--help` and shell completion should be there at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cli.admin import sentences
from cli.admin.arguments import active_users, check_reason, check_since, waiting_users
from cli.app import CONTEXT, run, version_option
from cli.discover import sentences as discover_sentences
from cli.doctor import sentences as doctor_sentences
from cli.output import format_message
from cli.setup import sentences as setup_sentences

if TYPE_CHECKING:
    from cli.server.database import NamedMap
    from schemas.config import Settings

_json = click.option("--json", "as_json", is_flag=True, help=sentences.JSON_HELP)
_no_wait = click.option("--no-wait", is_flag=True, help=sentences.NO_WAIT_HELP)
_reason = click.option("--reason", required=True, metavar="TEXT", callback=check_reason, help=sentences.REASON_HELP)


@click.group(help=sentences.PROGRAM_HELP, no_args_is_help=False, context_settings=CONTEXT)
@version_option(sentences.PROGRAM)
def admin_command() -> None:
    """Gather the commands."""


def _settings(path: str | None = None) -> Settings:
    from schemas.config import load_settings  # noqa: PLC0415

    return load_settings(path)


@admin_command.command(help=sentences.PENDING_HELP)
@_json
def pending(as_json: bool) -> int:
    """List the waiting requests."""
    from cli.admin import lists  # noqa: PLC0415

    return lists.pending(_settings(), as_json=as_json)


@admin_command.command(name="list", help=sentences.LIST_HELP)
@_json
def list_command(as_json: bool) -> int:
    """List the registry."""
    from cli.admin import lists  # noqa: PLC0415

    return lists.list_aliases(_settings(), as_json=as_json)


@admin_command.command(help=sentences.APPROVE_HELP)
@click.argument("users", metavar="USER...", nargs=-1, required=True, shell_complete=waiting_users)
@click.option("--sync-mail/--no-sync-mail", default=True, help=sentences.SYNC_MAIL_HELP)
@_no_wait
def approve(users: tuple[str, ...], sync_mail: bool, no_wait: bool) -> int:
    """Approve requests."""
    from cli.admin import decisions  # noqa: PLC0415

    return decisions.approve(_settings(), users, sync_mail=sync_mail, wait=not no_wait)


@admin_command.command(help=sentences.REJECT_HELP)
@click.argument("user", shell_complete=waiting_users)
@_reason
@_no_wait
def reject(user: str, reason: str, no_wait: bool) -> int:
    """Reject a request."""
    from cli.admin import decisions  # noqa: PLC0415

    return decisions.reject(_settings(), user, reason, wait=not no_wait)


@admin_command.command(help=sentences.REVOKE_HELP)
@click.argument("user", shell_complete=active_users)
@_reason
@_no_wait
def revoke(user: str, reason: str, no_wait: bool) -> int:
    """Switch an alias off."""
    from cli.admin import decisions  # noqa: PLC0415

    return decisions.revoke(_settings(), user, reason, wait=not no_wait)


@admin_command.command(help=sentences.SYNC_HELP)
@click.option("--dry-run", is_flag=True, help=sentences.DRY_RUN_HELP)
@click.option("--config", metavar="FILE", type=click.Path(), help=sentences.CONFIG_HELP)
@click.option("--force", is_flag=True, help=sentences.FORCE_HELP)
@_no_wait
@_json
def sync(dry_run: bool, config: str | None, force: bool, no_wait: bool, as_json: bool) -> int:
    """Bring the map into line."""
    with_dry_run = {"--json": as_json}
    without = {"--force": force, "--no-wait": no_wait}
    refused = without if dry_run else with_dry_run
    for option, given in refused.items():
        if given:
            sentence = sentences.NOT_WITH_DRY_RUN if dry_run else sentences.ONLY_WITH_DRY_RUN
            raise click.UsageError(format_message(sentence, option=option), click.get_current_context())
    from cli.admin import sync  # noqa: PLC0415

    if dry_run:
        return sync.dry_run(_settings(config), as_json=as_json)
    return sync.sync(_settings(config), force=force, wait=not no_wait)


@admin_command.command(help=sentences.STATUS_HELP)
@_json
def status(as_json: bool) -> int:
    """Show the watcher."""
    from cli.admin import status  # noqa: PLC0415

    return status.status(_settings(), as_json=as_json)


@admin_command.command(help=sentences.LOG_HELP)
@click.option("--user", metavar="NAME", help=sentences.USER_HELP)
@click.option("--since", metavar="TIME", callback=check_since, help=sentences.SINCE_HELP)
@_json
def log(user: str | None, since: str | None, as_json: bool) -> int:
    """Show the audit log."""
    from cli.admin import log  # noqa: PLC0415

    return log.log(_settings(), user=user, since=since, as_json=as_json)


@admin_command.command(help=discover_sentences.HELP)
@click.option("--map", "map_file", metavar="FILE", type=click.Path(), help=discover_sentences.MAP_HELP)
@_json
def discover(map_file: str | None, as_json: bool) -> int:
    """Take stock of the mail server, or of one map in a database."""
    if map_file is None:
        from cli.discover import columns  # noqa: PLC0415

        return columns.discover(as_json=as_json)
    from cli.discover.map import discover_map  # noqa: PLC0415
    from schemas.config import load_settings  # noqa: PLC0415

    return discover_map(_named_map(map_file), load_settings(may_be_absent=True), as_json=as_json)


def _named_map(given: str) -> NamedMap:
    from cli.server.database import UnknownMapError, named_map  # noqa: PLC0415

    try:
        return named_map(given)
    except UnknownMapError as error:
        raise click.UsageError(str(error), click.get_current_context()) from error


@admin_command.command(help=doctor_sentences.HELP)
@_json
def doctor(as_json: bool) -> int:
    """Look whether all is well."""
    from cli.doctor import run as examination  # noqa: PLC0415

    return examination.doctor(_settings(), as_json=as_json)


@admin_command.command(help=setup_sentences.HELP)
@click.option("--dry-run", is_flag=True, help=setup_sentences.DRY_RUN_HELP)
@click.option("--group", metavar="NAME", help=setup_sentences.GROUP_HELP)
@click.option("--add-existing-users", is_flag=True, help=setup_sentences.ADD_HELP)
@click.option("--enable", is_flag=True, help=setup_sentences.ENABLE_HELP)
@click.option("--map", "map_file", metavar="FILE", type=click.Path(), help=setup_sentences.MAP_HELP)
@click.option("--yes", is_flag=True, help=setup_sentences.YES_HELP)
def setup(
    dry_run: bool, group: str | None, add_existing_users: bool, enable: bool, map_file: str | None, yes: bool
) -> int:
    """Make or mend everything."""
    if map_file is not None and not enable:
        raise click.UsageError(setup_sentences.MAP_ALONE, click.get_current_context())
    if yes and not enable:
        raise click.UsageError(setup_sentences.YES_ALONE, click.get_current_context())
    from cli.setup import command  # noqa: PLC0415
    from cli.setup.group import refusal  # noqa: PLC0415
    from schemas.config import load_settings  # noqa: PLC0415

    if group is not None and (refused := refusal(group)) is not None:
        raise click.UsageError(refused, click.get_current_context())
    # A config that is missing is no trouble here: what has to be in it is written.
    return command.setup(
        load_settings(may_be_absent=True),
        dry_run=dry_run,
        wanted_group=group,
        add_existing_users=add_existing_users,
        enable=enable,
        ask=not yes,
        named=None if map_file is None else _named_map(map_file),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the administrator command; give its exit status."""
    return run(admin_command, sentences.PROGRAM, arguments)
