"""The administrator's arguments: checks of `--reason` and `--since`, and names for shell completion."""

from __future__ import annotations

import re

import click

from cli.messages import _
from cli.output import format_message

_AGE = re.compile(r"(?P<count>[0-9]{1,9})(?P<unit>[mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

REASON_LIMIT = 1000
"""As the schema of a decision has it; a test holds the two together."""


def check_reason(context: click.Context, parameter: click.Parameter, reason: str) -> str:
    """Give *reason* if a member can read it; else a usage error that says why not."""
    if not reason.strip():
        raise click.BadParameter(_("The member reads it, so it cannot be blank."), context, parameter)
    if len(reason) > REASON_LIMIT:
        raise click.BadParameter(
            format_message(
                _("It has {length} characters, and at most {limit} are allowed."),
                length=len(reason),
                limit=REASON_LIMIT,
            ),
            context,
            parameter,
        )
    import unicodedata  # noqa: PLC0415

    # Cc are the control characters, Cf among others turn the direction of writing, Cs are no text at all, Zl and Zp
    # are line ends.
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in reason):
        raise click.BadParameter(
            _("It holds a line end or another control character; give it on one plain line."), context, parameter
        )
    return reason


def check_since(context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    """Give the time that *given* means as a timestamp of our files; else a usage error that says what was expected."""
    if given is None:
        return None
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0)
    age = _AGE.fullmatch(given)
    try:
        if given in {"today", "yesterday"}:
            found = today - timedelta(days=given == "yesterday")
        elif age:
            found = now - timedelta(**{_UNITS[age["unit"]]: int(age["count"])})
        else:
            found = datetime.fromisoformat(given)
            found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        # Timestamps are compared as text, with four digits for the year, which strftime leaves out before 1000.
        return found.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except (ValueError, OverflowError):
        raise click.BadParameter(
            format_message(
                _(
                    "{given} is no time. Give an age such as 30m, 12h or 7d, `today`, `yesterday`, or a date as "
                    "2026-05-19T20:55."
                ),
                given=given,
            ),
            context,
            parameter,
        ) from None


def waiting_users(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Give the members whose request waits, as far as the one who asks may see them."""
    from schemas.config import load_settings  # noqa: PLC0415
    from schemas.errors import ExpectedError  # noqa: PLC0415
    from schemas.names import USERNAME  # noqa: PLC0415
    from schemas.request import RecordFolders  # noqa: PLC0415

    try:
        records = RecordFolders(load_settings().requests)
        owners = {identifier.owner for identifier in records.ids("pending")}
    except (ExpectedError, OSError):
        return []
    return _beginning_with(incomplete, {owner for owner in owners if USERNAME.fullmatch(owner)})


def active_users(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Give the members whose alias is active, as far as the one who asks may see them."""
    from cli.server.status import read_registry  # noqa: PLC0415
    from schemas.config import load_settings  # noqa: PLC0415
    from schemas.errors import ExpectedError  # noqa: PLC0415
    from schemas.names import USERNAME  # noqa: PLC0415

    try:
        entries = read_registry(load_settings()).whole().entries
    except (ExpectedError, OSError):
        return []
    return _beginning_with(
        incomplete, {name for name, entry in entries.items() if entry.active and USERNAME.fullmatch(name)}
    )


def _beginning_with(incomplete: str, names: set[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
