"""The command `setup`: one part after the other, each planned only when those before it are done."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from cli.messages import _
from cli.output import echo, echo_error, format_message
from cli.server.database import NamedMap
from cli.setup import group, migrate, paths, publishing, sandbox
from cli.setup.steps import Progress, Remark, Steps, error_sentence
from schemas.config import Settings
from schemas.errors import ExpectedError
from schemas.program import ExitStatus


def setup(
    settings: Settings,
    *,
    dry_run: bool = False,
    wanted_group: str | None = None,
    add_existing_users: bool = False,
    enable: bool = False,
    ask: bool = True,
    named: NamedMap | None = None,
    etc: str = "/etc",
) -> int:
    """Make or mend everything, and say what was done; give the exit status.

    Args:
        settings: by the config as it is; its file may be missing.
        dry_run: only show what would be done.
        wanted_group: the members' group from now on; the config's where `None`. It has been found fit by `group`.
        add_existing_users: also add the accounts of users.json to the group.
        enable: also switch publishing on.
        ask: whether that needs a yes.
        named: the map in a database that the aliases belong to once that is done.
        etc: where the overrides of units are kept.
    """
    if not dry_run and os.geteuid() != 0:
        echo_error(_("Only root can set the service up. Run it with sudo, or look with --dry-run at what it would do."))
        return ExitStatus.FAILED
    configured = settings.config.group
    if wanted_group is not None:
        config = msgspec.structs.replace(settings.config, group=wanted_group)
        settings = msgspec.structs.replace(settings, config=config)
    progress = Progress(dry_run=dry_run)
    progress.carry_out(_planned(lambda: group.plan_group(settings)))
    changes_group = settings.config.group != configured
    if changes_group and not _change_group(settings, configured, progress, add=add_existing_users):
        echo_error(
            format_message(
                _("The members' group is still {configured}, and nothing else was done."), configured=configured
            )
        )
        return ExitStatus.DONE if dry_run else ExitStatus.FAILED
    progress.carry_out(_planned(lambda: paths.plan(settings)))
    progress.carry_out(_planned(lambda: sandbox.plan(settings, etc)))
    if not (changes_group and add_existing_users):
        progress.carry_out(_planned(lambda: group.plan_members(settings, add=add_existing_users)))
    progress.carry_out(_planned(lambda: migrate.plan(settings)))
    status: int = ExitStatus.FAILED if progress.failed else ExitStatus.DONE
    had_to_enable = False
    if enable:
        if progress.failed:
            echo_error(_("Publishing was not switched on, because of what could not be done before."))
        else:
            status, had_to_enable = publishing.enable(settings, progress, ask=ask, etc=etc, named=named)
    if not progress.changes and not had_to_enable and status == ExitStatus.DONE:
        echo(_("Nothing to do: everything is set up."))
    elif dry_run:
        echo(_("Nothing was changed."))
    return ExitStatus.DONE if dry_run else status


def _change_group(settings: Settings, configured: str, progress: Progress, *, add: bool) -> bool:
    """Have the config name another group than *configured*; say whether nothing stood in the way."""
    # Members are added before the config names the group: then the watcher switches off who is not in it, at once.
    if add and not progress.failed:
        progress.carry_out(_planned(lambda: group.plan_members(settings, add=True)))
    if not progress.failed:
        # In a dry run they have not been added.
        joining = group.joining_members(settings) if add and progress.dry_run else frozenset()
        progress.carry_out(_planned(lambda: group.plan_config(settings, configured, joining)))
    return not progress.failed


def _planned(plan: Callable[[], Steps]) -> Steps:
    """Give the steps of *plan*; where it cannot be made, a remark that says why."""
    try:
        return plan()
    except (ExpectedError, OSError) as error:
        return Steps(remarks=[Remark(error_sentence(error), failed=True)])
