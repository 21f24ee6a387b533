"""`status`: how a member's alias and requests stand, in sentences or as JSON.

The JSON object has these keys, always all of them; a timestamp is `YYYY-MM-DDTHH:MM:SSZ`:

    username          the account
    alias             username@domain
    state             none, pending, active, change-pending (active, and another destination asked for), or how the
                      newest thing ended: rejected, refused, revoked, cancelled, inactive (some other status in the
                      registry); unknown where the registry or the records cannot be read
    active            null, or {destination, since}: what is forwarded now
    held_up           whether something on the server keeps the active alias from working, which an administrator has
                      to put right, or may keep it: publishing is switched off
    pending           null, or {request_id, destination, since}: what waits for an administrator
    ended             null, or {status, at, reason}: the registry's entry, where there is one that is not active
    last              null, or {request_id, action, status, destination, at, reason}: the newest request or cancel
                      that is not pending; status is approved, rejected, cancelled or refused
    queued            how many files of the member's have not been taken in yet
    watcher_running   whether the watcher is there to take them in
    problems          what could not be read, as sentences; empty when all is well
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cli.identity import Member
from cli.member.requests import QueueClient, open_queue_client, own_entry
from cli.messages import _, ngettext
from cli.output import SafeText, echo, echo_error, echo_json, format_message, safe_text, timestamp
from cli.server.status import conflict_of, is_down, is_waiting, publishes
from schemas.config import Settings
from schemas.errors import ExpectedError
from schemas.names import alias_of
from schemas.program import ExitStatus
from schemas.registry import Entry
from schemas.request import Folder, RequestRecord

_ENDED: tuple[Folder, ...] = ("approved", "rejected", "cancelled", "refused")


@dataclass
class Standing:
    """What the files say of one member.

    Attributes:
        entry: the member's entry in the registry.
        pending: the request that waits for an administrator.
        last: the newest request or cancel that is not pending.
        queued: how many files have not been taken in yet.
        obstructed: whether something on the server keeps the alias from working.
        publishing: whether the watcher publishes at all.
        problems: what could not be read. Escaped.
    """

    username: str
    alias: str
    entry: Entry | None = None
    pending: RequestRecord | None = None
    last: RequestRecord | None = None
    queued: int = 0
    watcher_running: bool = False
    obstructed: bool = False
    publishing: bool = True
    problems: list[SafeText] = field(default_factory=list)

    @property
    def active(self) -> Entry | None:
        """The entry, where it is active."""
        return self.entry if self.entry and self.entry.active else None

    @property
    def held_up(self) -> bool:
        """Whether the alias is active and cannot work, as far as is known."""
        return (self.obstructed or not self.publishing) and self.active is not None

    @property
    def turned_down(self) -> RequestRecord | None:
        """The newest request or cancel, if it was turned down and nothing has been asked or decided since."""
        last = self.last
        if last is None or last.status not in {"rejected", "refused"}:
            return None
        if self.pending and self.pending.request_id > last.request_id:
            return None
        # An approval by the earlier tool has left no record, only the time in the entry.
        since = self.entry.updated_at if self.entry else None
        return None if since and (last.decided_at or last.created_at) < since else last

    @property
    def state(self) -> str:
        """One word for it all, as the top of this module lists them."""
        if self.problems:
            return "unknown"
        if self.active:
            return "change-pending" if self.pending else "active"
        if self.pending:
            return "pending"
        if self.turned_down:
            return self.turned_down.status
        if self.entry:
            return self.entry.status if self.entry.status in {"revoked", "cancelled"} else "inactive"
        return "none"


def status(settings: Settings, member: Member, *, as_json: bool) -> int:
    """Show how *member* stands; 1 where something could not be read."""
    standing = find_standing(settings, member)
    if as_json:
        echo_json(_json_object(standing))
    else:
        for sentence in _sentences(standing):
            echo(sentence)
    for problem in standing.problems:
        echo_error(problem)
    return ExitStatus.FAILED if standing.problems else ExitStatus.DONE


def find_standing(settings: Settings, member: Member) -> Standing:
    """Read whatever can be read about *member*; what cannot is among the problems."""
    standing = Standing(member.name, alias_of(member.name, settings.domain), watcher_running=not is_down(settings))
    try:
        with open_queue_client(settings, member) as client:
            standing.queued = client.queued()
            standing.pending = client.pending()
            standing.last = _last(client)
    except ExpectedError as error:
        standing.problems.append(safe_text(str(error)))
    try:
        standing.entry = own_entry(settings, member)
    except ExpectedError as error:
        standing.problems.append(safe_text(str(error)))
    # Whose row is in the way, and where it leads, is no business of a member's.
    conflict = conflict_of(settings, standing.alias)
    standing.obstructed = conflict is not None and not conflict.same
    standing.publishing = publishes(settings)
    if standing.active is not None:
        standing.obstructed |= is_waiting(settings, standing.active.updated_at)
    return standing


def _last(client: QueueClient) -> RequestRecord | None:
    found = [record for folder in _ENDED if (record := client.newest(folder))]
    # Ids begin with the time of the request, and of two of the same time either may count as the last.
    return max(found, key=lambda record: record.request_id, default=None)


def _sentences(standing: Standing) -> Iterator[str]:
    alias, active, pending, entry = standing.alias, standing.active, standing.pending, standing.entry
    if active:
        sentence = (
            _(
                "{alias} -> {destination} is approved, since {since}, but does not work yet: something on the server "
                "is in its way. The administrators are told of it."
            )
            if standing.held_up
            else _("Mail to {alias} goes to {destination}, since {since}.")
        )
        if not standing.publishing:
            # Whatever the map held when publishing was switched off goes on working; what that is, is not known here.
            sentence = _(
                "{alias} -> {destination} is approved, since {since}, but may not work yet: an administrator has "
                "switched publishing off on this server."
            )
        yield format_message(sentence, alias=alias, destination=active.destination, since=_since(active))
    elif entry:
        yield _inactive(alias, entry)
    if pending:
        sentence = (
            _(
                "Your request to change it to {destination} waits for an administrator, since {since}; until it is "
                "approved, nothing changes."
            )
            if active
            else _("Your request for {alias} -> {destination} waits for an administrator, since {since}.")
        )
        since = timestamp(pending.created_at)
        yield format_message(sentence, alias=alias, destination=pending.destination, since=since)
    if last := standing.turned_down:
        sentence = (
            _("Your request for {destination} was rejected on {when}: {reason}")
            if last.status == "rejected"
            else _("The last file you handed in was refused on {when}: {reason}")
        )
        when, reason = timestamp(last.decided_at or last.created_at), _reason(last.reason)
        yield format_message(sentence, destination=last.destination, when=when, reason=reason)
    if standing.queued:
        yield format_message(
            ngettext(
                "One file of yours is in the queue and has not been taken in yet.",
                "{count} files of yours are in the queue and have not been taken in yet.",
                standing.queued,
            ),
            count=standing.queued,
        )
    if standing.state == "none" and not standing.queued:
        yield _("You have no alias and no request waiting. To ask for one: runv-email-alias request you@example.org")
    if not standing.watcher_running and (pending or standing.queued):
        yield _("The watcher is not running, so nothing is taken in or decided until it starts.")


def _inactive(alias: str, entry: Entry) -> SafeText:
    if entry.status == "revoked":
        sentence = _("An administrator switched {alias} off on {when}: {reason}")
    elif entry.status == "cancelled":
        sentence = _("You switched {alias} off on {when}.")
    elif entry.status == "orphaned":
        sentence = _(
            "{alias} was switched off on {when}: {reason} If you want it again, ask again: runv-email-alias request "
            "you@example.org"
        )
    else:
        sentence = _("{alias} is not active: the registry has it as {status}, since {when}.")
    return format_message(sentence, alias=alias, status=entry.status, when=_since(entry), reason=_reason(entry.reason))


def _reason(reason: str | None) -> SafeText:
    return safe_text(reason or _("no reason was given."))


def _since(entry: Entry) -> str:
    # Since the destination and the status are as they are now; created_at is that of the first destination.
    return timestamp(entry.updated_at or entry.created_at)


def _json_object(standing: Standing) -> dict[str, object]:
    active, pending, last, entry = standing.active, standing.pending, standing.last, standing.entry
    return {
        "username": standing.username,
        "alias": standing.alias,
        "state": standing.state,
        "active": active and {"destination": active.destination, "since": active.updated_at or active.created_at},
        "held_up": standing.held_up,
        "pending": pending
        and {
            "request_id": pending.request_id,
            "destination": pending.destination,
            "since": pending.created_at,
        },
        "ended": None
        if entry is None or active
        else {"status": entry.status, "at": entry.updated_at or entry.created_at, "reason": entry.reason},
        "last": last
        and {
            "request_id": last.request_id,
            "action": last.action,
            "status": last.status,
            "destination": last.destination,
            "at": last.decided_at or last.created_at,
            "reason": last.reason,
        },
        "queued": standing.queued,
        "watcher_running": standing.watcher_running,
        "problems": [str(problem) for problem in standing.problems],
    }
