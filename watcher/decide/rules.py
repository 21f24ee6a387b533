"""What each decision does to the registry and to the request; it writes no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from schemas.addresses import DestinationRefusedError, check_destination
from schemas.config import Settings
from schemas.errors import ExpectedError
from schemas.names import NameRefusedError, check_username
from schemas.reason import Reason
from schemas.registry import ACTIVE, Draft, Entry
from schemas.request import Folder, RequestRecord
from schemas.text import N_
from schemas.times import now
from watcher.accounts import Accounts
from watcher.decide.markers import Marker
from watcher.records import RecordStore


class DecisionFailedError(ExpectedError):
    """A decision cannot be applied; *reason* says why, for `failed/`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.reason = Reason(code, text)


@dataclass(frozen=True)
class Applied:
    """What a decision came to.

    Attributes:
        closes: the request record as it should be from now on, if the decision closes one.
        log_line: what the journal says; `None` for a repeat.
    """

    closes: RequestRecord | None = None
    log_line: str | None = None


class Rules:
    """Applies decisions to a draft of the registry."""

    def __init__(self, settings: Settings, records: RecordStore, accounts: Accounts) -> None:
        self._settings = settings
        self._records = records
        self._accounts = accounts

    def apply(
        self, marker: Marker, draft: Draft, pending: Mapping[str, RequestRecord], *, in_registry: bool = False
    ) -> Applied:
        """Apply an approval, rejection or revocation. Doing it again changes nothing.

        Args:
            marker: the decision.
            draft: the registry so far, which is changed.
            pending: the pending request of each member that has one, so far.
            in_registry: the registry has what the decision does to it already, or what a later one made of that.

        Raises:
            DecisionFailedError: it cannot be applied; the draft is as it was.
            RegistryError: the entry would break the registry's schema; the draft is as it was.
        """
        if marker.decision.decision == "approve":
            return self._approve(marker, draft, pending, in_registry=in_registry)
        if marker.decision.decision == "reject":
            return self._reject(marker, pending)
        return Applied() if in_registry else self._revoke(marker, draft)

    def _approve(
        self, marker: Marker, draft: Draft, pending: Mapping[str, RequestRecord], *, in_registry: bool
    ) -> Applied:
        decision = marker.decision
        username = decision.username or ""
        record = pending.get(username)
        if record is None:
            self._refuse_unless_repeat(marker, username)
            return Applied()
        if (record.request_id, record.destination) != (decision.request_id, decision.destination):
            if self._is_repeat(marker, username):
                return Applied()
            raise DecisionFailedError(
                "request-changed",
                N_(
                    "The request changed since it was shown: {seen_id} for {seen} was approved, and {id} for "
                    "{destination} is pending. Look again with `runv-admin-email-alias pending`."
                ).format(
                    seen_id=decision.request_id,
                    seen=decision.destination,
                    id=record.request_id,
                    destination=record.destination,
                ),
            )
        destination = self._checked(record)
        entry = draft.get(username)
        if not in_registry:
            draft.set(username, self._approved_entry(marker, record, destination, entry))
        log_line = f"Decision {marker.id}: {decision.operator} approved {record.alias} -> {destination}."
        return Applied(closed(record, "approved", marker), log_line)

    def _checked(self, record: RequestRecord) -> str:
        account = self._accounts.of_name(record.username)
        if account is None or account.uid != record.uid:
            raise DecisionFailedError(
                "account-gone",
                N_(
                    "The account {username} that asked (uid {uid}) is no more, or its name belongs to another uid now."
                ).format(username=record.username, uid=record.uid),
            )
        if not account.member:
            raise DecisionFailedError(
                "no-longer-a-member",
                N_("{username} is not a member of the group {group} any more.").format(
                    username=record.username, group=self._settings.config.group
                ),
            )
        try:
            check_username(record.username, self._settings.config.reserved)
            return check_destination(record.destination or "", self._settings.domain)
        except (NameRefusedError, DestinationRefusedError) as error:
            raise DecisionFailedError(*error.reason) from error

    def _approved_entry(
        self, marker: Marker, record: RequestRecord, destination: str, entry: Entry | None
    ) -> dict[str, object]:
        timestamp = now()
        # The alias goes on for the same person: it exists since it was first approved.
        goes_on = entry is not None and entry.active and entry.uid in {None, record.uid}
        return {
            "username": record.username,
            "alias": record.alias,
            "destination": destination,
            "status": ACTIVE,
            "created_at": (entry.created_at if entry and goes_on else None) or timestamp,
            "updated_at": timestamp,
            "approved_by": marker.decision.operator,
            "uid": record.uid,
            "updated_by": marker.id,
            "reason": None,
        }

    def _reject(self, marker: Marker, pending: Mapping[str, RequestRecord]) -> Applied:
        decision = marker.decision
        username = decision.username or ""
        record = pending.get(username)
        if record is None:
            self._refuse_unless_repeat(marker, username)
            return Applied()
        # A marker that was applied before may meet the member's next request, which is not meant.
        if decision.request_id != record.request_id and self._is_repeat(marker, username):
            return Applied()
        if decision.request_id not in {None, record.request_id}:
            raise DecisionFailedError(
                "another-request",
                N_(
                    "Another request of {username} is pending than the one that was rejected ({seen_id}). Look again."
                ).format(username=username, seen_id=decision.request_id),
            )
        asked = f"{record.alias} -> {record.destination}"
        log_line = f"Decision {marker.id}: {decision.operator} rejected the request for {asked}."
        return Applied(closed(record, "rejected", marker), log_line)

    def _refuse_unless_repeat(self, marker: Marker, username: str) -> None:
        if not self._is_repeat(marker, username):
            raise DecisionFailedError(
                "no-pending-request",
                N_("{username} has no pending request. See `runv-admin-email-alias pending`.").format(
                    username=username
                ),
            )

    def _is_repeat(self, marker: Marker, username: str) -> bool:
        folder: Folder = "approved" if marker.decision.decision == "approve" else "rejected"
        return any(record.decision_id == marker.id for record in self._records.folders.newest_first(folder, username))

    def _revoke(self, marker: Marker, draft: Draft) -> Applied:
        decision = marker.decision
        username = decision.username or ""
        entry = draft.get(username)
        if entry is None or not entry.active:
            raise DecisionFailedError(
                "nothing-to-revoke",
                N_("{username} has no active alias. See `runv-admin-email-alias list`.").format(username=username),
            )
        if decision.destination not in {None, entry.destination}:
            raise DecisionFailedError(
                "alias-changed",
                N_(
                    "The alias of {username} goes to {destination} and not to {seen}, which was shown. Look again."
                ).format(username=username, destination=entry.destination, seen=decision.destination),
            )
        draft.set(username, switched_off("revoked", marker.id, decision.reason))
        return Applied(log_line=f"Decision {marker.id}: {decision.operator} revoked {entry.alias}.")


def cancel_active(record: RequestRecord, draft: Draft) -> bool:
    """Switch the alias off that *record*, a member's cancel, is about; say whether there is one of theirs.

    Doing it again changes nothing and says yes again.
    """
    entry = draft.get(record.username)
    if entry is None:
        return False
    if entry.updated_by == record.request_id:
        return True
    # An entry bound to another uid is what an earlier holder of the name left behind.
    if not entry.active or entry.uid not in {None, record.uid}:
        return False
    draft.set(record.username, switched_off("cancelled", record.request_id, None))
    return True


def switched_off(status: str, by: str, reason: str | None) -> dict[str, object]:
    """The fields of an entry that is not published any more."""
    return {"status": status, "updated_at": now(), "updated_by": by, "reason": reason}


def closed(record: RequestRecord, status: Folder, marker: Marker) -> RequestRecord:
    """*record* as *marker* leaves it."""
    return replace(
        record,
        status=status,
        decided_at=now(),
        decided_by=marker.decision.operator,
        decision_id=marker.id,
        reason=marker.decision.reason,
    )
