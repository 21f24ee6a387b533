"""Everything that `runv-email-alias` says, command by command. Placeholders have names."""

from __future__ import annotations

PROGRAM = "runv-email-alias"

PROGRAM_HELP = """\
Ask for an e-mail alias on this server, see how it stands, and cancel it.

Your alias is your account name at the server's domain. Mail to it goes to one address of yours elsewhere, once an
administrator has approved it.

\b
Examples:
  runv-email-alias request me@example.org
  runv-email-alias status
"""
NO_WAIT_HELP = "Do not wait for the answer: hand it in and return at once."

# For every command.

NO_ACCOUNT = "Your user id {uid} has no account name on this server, so it cannot have an alias. Tell an administrator."
NO_ACCESS = (
    "You may not use the directory {directory}: only members of the group {group} may. Log in again if you have just "
    "been added to the group; otherwise ask an administrator to add you."
)
NOT_SET_UP = (
    "The directory {directory} is not there, so the alias service is not set up on this server. Tell an administrator."
)
INTERFERED = (
    "Somebody changed the file in {directory} while it was being written, so nothing was handed in. Try again, and "
    "tell an administrator if it happens again."
)
KEPT_NOT_RUNNING = (
    "It is kept in the queue and will be taken in when the watcher starts, which is not running now. "
    "`runv-email-alias status` tells how it stands."
)
KEPT_NO_ANSWER = (
    "It is kept in the queue and will be taken in when the watcher gets to it; there was no answer within {seconds} "
    "seconds. `runv-email-alias status` tells how it stands."
)
VANISHED = (
    "The file {file} is gone from the queue and there is no record of it: somebody removed it before it was taken in. "
    "Try again, and tell an administrator if it happens again."
)
HANDED_IN = "Handed in. `runv-email-alias status` tells how it stands."
NO_REASON = "no reason was given."

# request

REQUEST_HELP = """\
Ask that mail to your alias goes to DEST, one address elsewhere.

An administrator approves or rejects it. With an active alias this asks for another destination, and mail goes on to the
present one until the change is approved.

\b
Example:
  runv-email-alias request me@example.org
"""
UNDERSTOOD = "The address is understood as {destination}."
ALREADY_PENDING = (
    "You already have a request for {destination} waiting since {since}, and there can be one at a time. Withdraw it "
    "first: runv-email-alias cancel"
)
ALREADY_THERE = "Nothing is to be done: mail to {alias} already goes to {destination}."
CHANGE_WARNING = "Mail to {alias} goes on to {present}; the destination changes only after an administrator approves."
WAITS_FOR_APPROVAL = (
    "Your request for {alias} -> {destination} now waits for an administrator; `runv-email-alias status` tells how it "
    "stands."
)
APPROVED_ALREADY = "Your request for {alias} -> {destination} has been approved already."
REJECTED_ALREADY = "Your request for {destination} has been rejected: {reason}"
WITHDRAWN_ALREADY = "Your request for {destination} has been withdrawn meanwhile."
REQUEST_REFUSED = "Your request was refused: {reason}"

# cancel

CANCEL_HELP = """\
Withdraw your request that waits for an administrator; with --active, switch your active alias off at once.

\b
Examples:
  runv-email-alias cancel
  runv-email-alias cancel --active
"""
ACTIVE_HELP = "Switch your active alias off. No approval is needed; mail to it is no longer accepted then."
NOTHING_PENDING = "You have no request waiting, so there is nothing to withdraw."
NOTHING_PENDING_BUT_ACTIVE = (
    "You have no request waiting, so there is nothing to withdraw. To switch {alias} off: runv-email-alias cancel "
    "--active"
)
NOTHING_ACTIVE = "{alias} is not active, so there is nothing to switch off."
WITHDRAWN = "Your request for {alias} -> {destination} is withdrawn."
SWITCHED_OFF = "{alias} is switched off; the mail server stops accepting mail for it within moments."
SWITCHED_OFF_BUT_HELD = (
    "{alias} is switched off, but something else on the server holds the address and may go on taking mail for it. Ask "
    "an administrator."
)
SWITCHED_OFF_BUT_BEHIND = (
    "{alias} is switched off, but the mail server does not follow at the moment, and may go on taking mail for it "
    "until an administrator has put that right."
)
CANCEL_REFUSED = "The cancel was refused: {reason}"

# status

STATUS_HELP = """\
Tell how your alias and your requests stand.

With --json, one object whose keys are always the same: username, alias, state (none, pending, active, change-pending,
rejected, refused, revoked, cancelled, inactive or unknown), active, held_up, pending, ended, last, queued,
watcher_running and problems.
"""
JSON_HELP = "Print one JSON object instead of sentences."
ACTIVE = "Mail to {alias} goes to {destination}, since {since}."
HELD_UP = (
    "{alias} -> {destination} is approved, since {since}, but does not work yet: something on the server is in its "
    "way. The administrators are told of it."
)
NOT_PUBLISHED = (
    "{alias} -> {destination} is approved, since {since}, but may not work yet: an administrator has switched "
    "publishing off on this server."
)
PENDING = "Your request for {alias} -> {destination} waits for an administrator, since {since}."
CHANGE_PENDING = (
    "Your request to change it to {destination} waits for an administrator, since {since}; until it is approved, "
    "nothing changes."
)
REVOKED = "An administrator switched {alias} off on {when}: {reason}"
CANCELLED = "You switched {alias} off on {when}."
ORPHANED = (
    "{alias} was switched off on {when}: {reason} If you want it again, ask again: runv-email-alias request "
    "you@example.org"
)
INACTIVE = "{alias} is not active: the registry has it as {status}, since {when}."
REJECTED = "Your request for {destination} was rejected on {when}: {reason}"
REFUSED = "The last file you handed in was refused on {when}: {reason}"
NONE = "You have no alias and no request waiting. To ask for one: runv-email-alias request you@example.org"
QUEUED_ONE = "One file of yours is in the queue and has not been taken in yet."
QUEUED_MORE = "{count} files of yours are in the queue and have not been taken in yet."
NOT_RUNNING = "The watcher is not running, so nothing is taken in or decided until it starts."
