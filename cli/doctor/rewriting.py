"""Whether forwarding will bounce: the sender's address is rewritten (SRS), or the other side's SPF check fails.

RFC 7208, appendix D, on mediators. PostSRSd's README has the settings of Postfix, which are others since its
version 2; Debian 13 has version 1.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator

from cli.doctor import sentences
from cli.doctor.context import Facts
from cli.doctor.providers import checks_spf
from cli.doctor.verdicts import Check, Finding, command_line, examples
from cli.host.packages import installed
from cli.host.postfix import Postfix
from cli.host.systemd import Unit
from cli.host.systemd import unit as find_unit
from cli.mail_side import Setting, edit_command
from cli.output import format_message
from watcher.publish.commands import CommandError

_SENDERS = ("sender_canonical_maps", "canonical_maps")
_MILTERS = ("smtpd_milters", "non_smtpd_milters")
_LOOKS_LIKE_SRS = re.compile(r"srs|tcp:(?:localhost|127\.0\.0\.1|\[?::1\]?):10001|:10003:forward", re.IGNORECASE)

_PATIENCE = 1.0
"""Seconds for a connection to this machine itself."""

_VERSION_1 = {"sender_canonical_maps": "tcp:127.0.0.1:10001", "recipient_canonical_maps": "tcp:127.0.0.1:10002"}
_VERSION_2 = {
    "sender_canonical_maps": "socketmap:unix:srs:forward",
    "recipient_canonical_maps": "socketmap:unix:srs:reverse",
}
_CLASSES = {
    "sender_canonical_classes": "envelope_sender",
    "recipient_canonical_classes": "envelope_recipient, header_recipient",
}


def _srs(facts: Facts) -> Iterator[Finding]:
    if facts.postfix is None or facts.registry is None:
        return
    domains = Counter(destination.rpartition("@")[2] for destination in facts.registry.rows().values())
    if not domains:
        yield Finding("srs", "ok", format_message(sentences.NOTHING_FORWARDED))
        return
    named = _named(facts.postfix)
    unit = _unit()
    if named and unit is not None and unit.there and unit.active != "active":
        message = format_message(sentences.SRS_DOWN, table=named, state=unit.active)
        yield Finding("srs", "problem", message, sentences.START_SRS)
    elif named and (unit is None or not unit.there) and (why := _refused(named)):
        message = format_message(sentences.SRS_ABSENT, table=named, why=why)
        yield Finding("srs", "problem", message, sentences.INSTALL_SRS)
    elif named:
        yield Finding("srs", "ok", format_message(sentences.SRS_OK, table=named))
    elif unit is not None and unit.active == "active":
        settings = srs_settings(facts.postfix, _version())
        fix = command_line(edit_command(settings), facts.settings.config.reload_command)
        yield Finding("srs", "warning", format_message(sentences.SRS_UNUSED), fix)
    else:
        # Only the package: while nothing answers there, a Postfix that was told to ask it refuses all mail for now.
        message = format_message(
            _why(domains), examples=_examples(domains), count=_count(domains), domain=facts.settings.domain
        )
        yield Finding("srs", "warning", message, sentences.INSTALL_SRS)


def _named(postfix: Postfix) -> str | None:
    tables = [table for name in (*_SENDERS, *_MILTERS) for table in postfix.items(name)]
    return next((table for table in tables if _LOOKS_LIKE_SRS.search(table)), None)


def _refused(table: str) -> str | None:
    """Why nothing can be asked at *table*, of type tcp; `None` where something answers, or of another type."""
    kind, _, path = table.partition(":")
    host, _, port = path.rpartition(":")
    if kind != "tcp" or not port.isdecimal():
        return None
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


def _unit() -> Unit | None:
    try:
        return find_unit("postsrsd.service")
    except CommandError:
        return None  # told by the check of the watcher's own unit


def _version() -> str:
    try:
        return installed(["postsrsd"]).get("postsrsd", "")
    except CommandError:
        return ""


def srs_settings(postfix: Postfix, version: str) -> list[Setting]:
    """What Postfix has to be told of the postsrsd that is installed; tables that are there already stay behind it.

    Raises:
        CommandError: Postfix cannot be asked.
    """
    tables = _VERSION_1 if version.startswith("1.") else _VERSION_2
    found = [
        Setting(name, ", ".join(filter(None, [table, postfix.value(name)]))) for name, table in sorted(tables.items())
    ]
    return [*found, *(Setting(name, value) for name, value in sorted(_CLASSES.items()))]


def _strict(domains: Counter[str]) -> dict[str, int]:
    return {domain: count for domain, count in domains.most_common() if checks_spf(domain)}


def _why(domains: Counter[str]) -> str:
    return sentences.SRS_STRICT if _strict(domains) else sentences.SRS_UNKNOWN


def _examples(domains: Counter[str]) -> str:
    return examples(_strict(domains) or dict(domains.most_common()))


def _count(domains: Counter[str]) -> int:
    return sum((_strict(domains) or domains).values())


CHECKS = (Check("srs", sentences.ABOUT_SRS, _srs),)
