"""Everything that `runv-admin-email-alias` says, command by command. Placeholders have names."""

from __future__ import annotations

PROGRAM = "runv-admin-email-alias"
UNIT = "runv-email-alias-watcher"

PROGRAM_HELP = """\
Decide on the members' e-mail aliases, and see how they and the mail server's map stand.

A decision is handed to the watcher, which applies it at once; the commands wait for that and tell what came of it.

\b
Examples:
  sudo runv-admin-email-alias pending
  sudo runv-admin-email-alias approve pablo
  sudo runv-admin-email-alias reject pablo --reason "That address bounces."
"""
JSON_HELP = "Print JSON instead of columns and sentences."
NO_WAIT_HELP = "Do not wait for the outcome: hand the decision in and return at once."
REASON_HELP = "Why; the member reads it."

# For every command.

RUN_WITH_SUDO = "You may not use the directory {directory}. Run it with sudo."
NOT_SET_UP = "The directory {directory} is not there. Start the watcher, which makes it, or mend the installation."
KEPT_NOT_RUNNING = (
    "The watcher is not running. The decision is kept and will be applied when it starts: systemctl start {unit}"
)
KEPT_NO_ANSWER = (
    "The watcher has not applied the decision {decision} within {seconds} seconds. It is kept; see "
    "`runv-admin-email-alias status`."
)
HANDED_IN = "Handed in. `runv-admin-email-alias status` tells of problems."
FAILED = "{username}: {reason}"
SYNC_FAILED = "The sync was not done: {reason}"
FAILED_UNREADABLE = "The decision could not be applied; {place} says why, but cannot be read."
BAD_USERNAME = "{username}: nobody with an alias can have this name. Look it up with: runv-admin-email-alias pending"
NO_ACCOUNT = "{username}: there is no account of this name."
NOT_A_MEMBER = "{username} is not a member of the group {group} and has no request waiting."
NOTHING_PENDING = "{username} has no request waiting. See: runv-admin-email-alias pending"
REASON_BLANK = "The member reads it, so it cannot be blank."
REASON_LONG = "It has {length} characters, and at most {limit} are allowed."
REASON_CONTROL = "It holds a line end or another control character; give it on one plain line."
PUBLISHING_OFF = "It is recorded only: publishing is switched off (`enabled` is false in {config})."
PUBLISH_PROBLEM = "The mail server's map does not follow: {what}"
MAP_BEHIND = "The mail server's map does not follow yet. See: runv-admin-email-alias status"
WARNING = "Warning: {what}"

# pending

PENDING_HELP = "List the requests that wait for a decision, oldest first."
PENDING_HEADINGS = ("MEMBER", "DESTINATION", "INSTEAD OF", "SINCE (UTC)")
PENDING_NONE = "No request is waiting."
UNREADABLE_RECORD = "{trouble} It is left out here."

# list

LIST_HELP = "List the aliases in the registry, active ones first."
LIST_HEADINGS = ("ALIAS", "DESTINATION", "STATUS", "SINCE", "BY")
LIST_NONE = "The registry holds no alias."

# approve

APPROVE_HELP = """\
Approve the waiting request of each USER.

It is bound to what is shown: if the request has changed by the time it is applied, the approval fails and says so.

\b
Example:
  sudo runv-admin-email-alias approve pablo maria
"""
SYNC_MAIL_HELP = "Wait until mail flows (default), or only until the registry has the alias."
ASKED = "{alias} -> {destination} (asked {when})"
ASKED_CHANGE = "{alias} -> {destination} (asked {when}; now {present})"
APPROVED_LIVE = "Approved: mail to {alias} now goes to {destination}."
APPROVED = "Approved: {alias} -> {destination}."
APPROVED_REGISTERED = "Approved: the registry has {alias} -> {destination}; the mail server's map follows."
APPROVED_BUT_CHANGED = (
    "The approval was applied, but the registry does not have {alias} -> {destination} any more: something has changed "
    "it since. See: runv-admin-email-alias list"
)
APPROVED_IN_CONFLICT = (
    "Approved, but mail to {alias} does not go to {destination}: a row in the database that is not of this program's "
    "making sends it to {held}. Delete that row, then run: runv-admin-email-alias sync"
)
APPROVED_IN_CONFLICT_SAME = (
    "Approved, and mail to {alias} goes to {destination} already, but by a row in the database that is not of this "
    "program's making and would stay when the alias is revoked. Delete that row, then run: runv-admin-email-alias sync"
)

# reject

REJECT_HELP = """\
Reject the waiting request of USER.

\b
Example:
  sudo runv-admin-email-alias reject pablo --reason "That address bounces."
"""
REJECTED = "Rejected: {alias} -> {destination}. {username} reads the reason with `runv-email-alias status`."

# revoke

REVOKE_HELP = """\
Switch the active alias of USER off.

\b
Example:
  sudo runv-admin-email-alias revoke pablo --reason "The account was closed."
"""
NOTHING_ACTIVE = "{username} has no active alias. See: runv-admin-email-alias list"
REVOKED_LIVE = "Revoked: mail to {alias} no longer goes to {destination}."
REVOKED = "Revoked: {alias} -> {destination}."
REVOKED_BUT_HELD = (
    "Revoked, but the row in the database that is not of this program's making was left alone: it sends mail to "
    "{alias} to {held}. Delete it if that is to end, too."
)

# sync

SYNC_HELP = """\
Have the watcher bring the mail server's map into line with the registry.

It does so by itself after every change; this asks it to look again, and tells what stands in the way. A change of more
than 30 % of the map is held back until --force, which holds for the registry as it is now.

\b
Examples:
  sudo runv-admin-email-alias sync --dry-run
  sudo runv-admin-email-alias sync --force
"""
DRY_RUN_HELP = "Only show what would change."
CONFIG_HELP = "Go by FILE in place of the usual configuration."
FORCE_HELP = "Publish the registry as it is now, though it changes more than is done unasked."
ONLY_WITH_DRY_RUN = "{option} goes with --dry-run only."
NOT_WITH_DRY_RUN = "{option} does not go with --dry-run, which changes nothing."
IN_LINE = "The map is in line with the registry: {aliases} published."
IN_LINE_BUT = "The map is in line with the registry as far as it can be: {aliases} published, {left_out} left out."
SYNC_OFF = "Publishing is switched off (`enabled` is false in {config}), so the map was left alone."
NO_STATUS = "The watcher has left no status. See: systemctl status {unit}"
DRY_RUN_OFF = "Publishing is switched off (`enabled` is false in {config}); this is what switching it on would do."
DRY_RUN_EMPTY = "Nothing differs: the map and the registry both have {aliases}."
DRY_RUN_EMPTY_BUT = "Nothing would change: {aliases} published, {left_out} left out."
DRY_RUN_ORPHANS = "Switched off, since their account or its membership is gone:"
DRY_RUN_ORPHANS_HELD = "Held, though their account or its membership is gone:"
DRY_RUN_CONFLICTS = "Left out, since rows of somebody else hold these aliases (where they go -> where they should go):"
ADDED = "+"
CHANGED = "~"
REMOVED = "-"
CHANGE = "{present} -> {destination}"
DRY_RUN_COUNTS = "{added} to add, {changed} to change, {removed} to remove; the map has {published}."
ALIASES_ONE = "1 alias"
ALIASES_MORE = "{count} aliases"

# status

STATUS_HELP = """\
Tell how the watcher and the mail server's map stand.

With --json, one object: running (true or false) and status (the watcher's status file, or null where it left none).
"""
STATUS_FIELDS = {
    "watcher": "Watcher",
    "version": "Version",
    "backend": "Map type",
    "publishing": "Publishing",
    "published": "Published",
    "pending": "Waiting",
    "refused": "Refused",
    "left_alone": "Left alone",
    "hosts": "Replicas",
    "conflicts": "Conflicts",
    "problems": "Problems",
}
RUNNING = "running since {since}, process {pid}"
STOPPED = "not running; it last reported on {updated}"
NEVER_RAN = "not running; it has left no status since the machine started"
ON = "on"
OFF = "off (`enabled` is false)"
NOTHING_PUBLISHED = "nothing"
PUBLISHED = "{aliases}, on {when}"
WAITING = "{count} to decide on"
REFUSED_SINCE = "{count} since the watcher started"
LEFT_ALONE = "{count} in the queue that are no files"
HOST_TOLD = "{host}: {state}"
HOST_UNREACHABLE = "could not be asked: {why}"
HOST_UNKNOWN = "not asked yet"
HOST_UP_TO_DATE = "up to date"
HOST_LAG = "{seconds} s behind the last change"
CONFLICTS_MORE = "and {count} more; --json has them all"
CONFLICT = "{alias} should go to {destination}, and a row of somebody else sends it to {held}"
CONFLICT_SAME = "{alias} goes to {destination}, but by a row of somebody else, which would stay when it is revoked"
NO_PROBLEMS = "none"
PROBLEM = "{what} (since {since})"

# log

LOG_HELP = """\
Show what happened, who decided it, and when: requests, refusals, cancels, decisions, and every new map.

\b
Examples:
  sudo runv-admin-email-alias log --since today
  sudo runv-admin-email-alias log --user pablo --since 7d
"""
USER_HELP = "Only what is about NAME."
SINCE_HELP = (
    "Only what happened since TIME: an age such as 30m, 12h, 7d or 2w; `today` or `yesterday`; or a date, with or "
    "without a time, in UTC: 2026-05-19, 2026-05-19T20:55."
)
BAD_TIME = (
    "{given} is no time. Give an age such as 30m, 12h or 7d, `today`, `yesterday`, or a date as 2026-05-19T20:55."
)
LOG_NONE = "The log holds nothing of that."
LOG_DENIED = "You may not read the audit log {path}: root and the group adm may. Run it with sudo."
LOG_NO_DIRECTORY = "The directory of the audit log {path} is not there. Start the watcher, or mend the installation."
LOG_LINE_UNREADABLE = "One line of the audit log could not be understood and was left out."
LOG_LINES_UNREADABLE = "{count} lines of the audit log could not be understood and were left out."
LOG_WHAT = {
    "accepted": "asked",
    "refused": "refused",
    "cancelled": "cancelled",
    "approved": "approved",
    "rejected": "rejected",
    "revoked": "revoked",
    "orphaned": "orphaned",
    "failed": "failed",
    "published": "published",
}
LOG_DETAILS = {
    "accepted": "for {destination}",
    "refused": "{reason}",
    "approved": "{destination}, by {by}",
    "rejected": "{destination}, by {by}: {reason}",
    "revoked": "{destination}, by {by}: {reason}",
    "orphaned": "the alias to {destination} was switched off: {reason}",
    "failed": "a decision of {by}: {reason}",
}
LOG_REFUSED_MORE = "{count} more; the last: {reason}"
LOG_WITHDRAWN = "the request for {destination}, by its member"
LOG_SWITCHED_OFF = "the alias to {destination} was switched off, by its member"
LOG_CLOSED = "the request for {destination}: {reason}"
LOG_PUBLISHED = "{aliases}: {added} added, {changed} changed, {removed} removed"
LOG_PUBLISHED_FORCED = "{aliases}: {added} added, {changed} changed, {removed} removed; forced by {by}"
