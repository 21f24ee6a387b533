"""Every sentence the watcher says: to members, to administrators, to the journal.

Placeholders are named, so that a translation may put them where its grammar wants them.
"""

# Why an entry of the queue was refused: for its owner to read.
BAD_NAME = (
    "The file's name was not accepted: a letter or digit, then at most 127 letters, digits, dots, '_' or '-', and "
    "'.json' at the end was expected."
)
NOT_A_FILE = "It is a link, FIFO, socket or device; a plain file was expected."
LINKED = "The file has a second name (a hard link), or was swapped for a link; a plain file of one name was expected."
HELD = (
    "The file could not be read in peace: a program of yours holds a lease on it, or kept changing it. Let go of it "
    "and send it again."
)
NO_ACCOUNT = "Its owner has no account on this server."
TOO_LARGE = "The file is larger than the {limit} octets that a request may have."
NOT_A_MEMBER = "Its owner is not a member of the group {group}."
WRITABLE_BY_OTHERS = (
    "The file is writable by its group or by others, so somebody else may have put words in your mouth. "
    "Take that right away (chmod go-w) and send it again."
)
TOO_OLD = "The file is more than {days} days old. If you still want this, ask again."
FROM_THE_FUTURE = "The file's time lies in the future. Set it to the present (touch) and send it again."
ABANDONED = "The file was never finished, and is more than a day old."
OUTDATED = "The file is older than one of yours that was taken in before. If you still want this, ask again."
NOT_JSON = "The file was expected to hold one JSON object. {error}"
BAD_SHAPE = "The file was understood as JSON but not as a request. {error}"
FORGED = "The file belongs to {owner} but speaks for somebody else; {owner} can ask for {alias} alone."
ALREADY_PENDING = (
    "A request for {destination} is pending since {since}. Cancel that one first if you want another address."
)
NOTHING_PENDING = "There is no pending request to cancel."
NO_ACTIVE_ALIAS = "There is no active alias to switch off."
ACCOUNT_CHANGED = "The account that asked for this is no more; its name belongs to somebody else now."

# Why a decision could not be applied: for the administrator to read.
MARKER_UNREADABLE = "The marker cannot be read: {error}."
MARKER_FOREIGN = "The marker belongs to uid {uid}; only root decides. Look how it came into a directory of mode 0700."
MARKER_BAD_NAME = "The marker's name was not accepted: letters, digits, '.', '_', '-' and '.json' were expected."
NO_PENDING = "{username} has no pending request. See `runv-admin-email-alias pending`."
REQUEST_CHANGED = (
    "The request changed since it was shown: {seen_id} for {seen} was approved, and {id} for {destination} is pending. "
    "Look again with `runv-admin-email-alias pending`."
)
REQUEST_REPLACED = "Another request of {username} is pending than the one that was rejected ({seen_id}). Look again."
ACCOUNT_GONE = "The account {username} that asked (uid {uid}) is no more, or its name belongs to another uid now."
MEMBER_NO_MORE = "{username} is not a member of the group {group} any more."
NO_ACTIVE_ENTRY = "{username} has no active alias. See `runv-admin-email-alias list`."
DESTINATION_CHANGED = "The alias of {username} goes to {destination} and not to {seen}, which was shown. Look again."
FORCE_OUTDATED = (
    "The registry changed since the forced sync was asked for. Look at `runv-admin-email-alias sync --dry-run` and "
    "repeat `runv-admin-email-alias sync --force`."
)

# Why an alias was switched off without a decision: for whoever reads the registry.
ORPHAN_GONE = "There is no account {username}."
ORPHAN_OTHER = "The account {username} has the uid {found} now; the alias was approved for the one with uid {uid}."
ORPHAN_DEPARTED = "The account {username} is not a member of the group {group}."

# Problems: for the administrator to act on.
CANNOT_WATCH = (
    "The directories cannot be watched: {error}. See /proc/sys/fs/inotify: max_user_instances and max_user_watches "
    "may have to be raised."
)
THREAD_DIED = "A thread that watches for changes has ended by a fault. The watcher ends, so that it is started afresh."
DIRECTORY_MISSING = (
    "The directory {path} is not there. Make it with the owner and mode that the administrator's guide tells."
)
GROUP_MISSING = (
    "The group {group} does not exist, so nobody can be told to be a member. Make it with `groupadd --system {group}`; "
    "requests and decisions wait."
)
REGISTRY_MISSING = (
    "The registry {path} is not there. Bring it back, or begin a new one with `{{}}` in it. Until then the published "
    "map stays as it is and decisions wait."
)
REGISTRY_UNREADABLE = (
    "The registry {path} cannot be read: {error}. Until it can, the published map stays as it is and decisions wait."
)
REGISTRY_BUSY = "Another program holds the lock {path}. Decisions wait until it lets go."
LOCK_UNUSABLE = "The lock file {path} cannot be opened: {error}. Decisions wait until it can."
ENTRY_UNREADABLE = "The queue entry {name} cannot be dealt with: {error}. It is left there and tried again."
STATE_UNWRITABLE = "A file of state cannot be written: {error}. What waits is tried again."
DIRECTORIES_LEFT = (
    "Directories in the queue {path}, where only files belong: {count}. They are left alone; remove them."
)
QUEUE_UNSAFE = (
    "The queue {path} is {found}, where 2770 or 3770 root:{group} was expected. Requests are still taken in, by who "
    "owns each file. Run `chown root:{group} {path}`, then `chmod 3770 {path}`."
)
QUEUE_MOUNTED = (
    "A file system of type {kind} is mounted over the queue {path}, and whoever serves it can claim any owner for a "
    "file. Requests wait until it is gone. Look with `findmnt {path}`, then run `umount {path}` and "
    "`chmod 3770 {path}`."
)
ENTRIES_MOUNTED = (
    "Something is mounted over {count} of the entries of the queue {path}, one of them {name}. They are left alone. "
    "Look with `findmnt --list`, then run `umount` for each."
)
CONFIG_INVALID = "The configuration was changed to something that cannot be used; the earlier one still holds. {error}"
MASS_CHANGE = (
    "This would take away {removed} and point elsewhere {changed} of {published} published aliases, and no more than "
    "{limit} of either are changed unasked. Look at `runv-admin-email-alias sync --dry-run`; if that is meant, run "
    "`runv-admin-email-alias sync --force`. Until then the published map stays as it is."
)
PUBLISH_FAILED = "The map {path} could not be brought up to date; the earlier one stays. {error}"
MAP_DIRECTORY = (
    "The directory {path} of the map cannot be written: {error}. Look for a full disk or a read-only file system."
)
MAP_UNREADABLE = "The map {path} cannot be read: {error}."
MAP_BAD_ROW = "The rows for the map {path} are not all of one alias and one plain address; nothing was published."
MAP_DIFFERS = "The file {path} was written and read back, and came back different. Look for a broken disk."
MAP_WRONG = "The new map was asked and answered {found} for {alias}, where {expected} was expected."
MAP_RESTORED = "After the new map {path} was in place it gave wrong answers, so the earlier one was put back. {error}"
MAP_NOT_RESTORED = "The new map {path} gives wrong answers, and the earlier one could not be put back. {error}"
NO_ANSWER = "nothing"
RELOAD_FAILED = "The map is in place, but Postfix could not be told to reload. {error}"
MAP_NOT_USED = (
    "Postfix does not ask the map {map}, so the aliases are published but not live. Run "
    "`postconf -e 'virtual_alias_maps = {line}'`, then `postfix reload`."
)
MAPS_UNKNOWN = "Whether Postfix asks the map {map} could not be found out. {error}"
ACCOUNTS_UNREADABLE = (
    "The account file {path} cannot be read: {error}. Until it can, no alias is switched off because its account is "
    "gone."
)
ACCOUNTS_EMPTY = (
    "The account file {path} has no entry. Bring it back from the backup; until then no alias is switched off because "
    "its account is gone."
)
ACCOUNTS_BROKEN = (
    "Line {number} of the account file {path} is no entry: {line}. Look with `{checker}` and mend it; until then no "
    "alias is switched off because its account is gone."
)
ACCOUNTS_SLOW = (
    "The name services take too long to say who has an account; see nsswitch.conf(5) for which are asked. Until they "
    "have answered, no alias is switched off because its account is gone."
)
ORPHANS = (
    "Active aliases whose account is gone or is no member: {names}. For each, run `runv-admin-email-alias "
    "revoke NAME --reason TEXT`, or bring the account back."
)
ORPHANS_UNSURE = (
    "Accounts come from other services too ({services}), which may only be out of reach, so these are not switched off "
    "unasked."
)
ORPHANS_HELD = (
    "The accounts of {orphans} of {active} active aliases are gone or are no members, all at once, and no more than "
    "{limit} are switched off unasked: {names}. Look at `runv-admin-email-alias sync --dry-run`; if that is meant, "
    "run `runv-admin-email-alias sync --force`. Until then these aliases stay active."
)
ORPHANS_MORE = "{names} and {count} more"
SECOND_WATCHER = "Another watcher is at work on {path}; there can be one only."

# The journal.
LOG_STARTED = "Started: version {version}, {backend}, publishing is {switch}, state in {state_dir}."
LOG_STOPPING = "Stopped on request."
LOG_RELOADED = "The configuration was read again."
LOG_NO_EFFECT = "The key auto_sync_on_approve in {path} has no effect any more: every change is published at once."
LOG_PENDING = "Request {id} is pending: {alias} -> {destination}."
LOG_CANCELLED = "Cancel {id} for {alias} is done."
LOG_REFUSED = "Refused {count} queue entries of {owner}; the last of them was {name}: {reason}"
LOG_REFUSED_MORE = "Refused {count} more queue entries of {owner} meanwhile; the last of them was {name}: {reason}"
LOG_TAKEN_MORE = "Took in {count} more requests and cancels of {owner} meanwhile; the last of them was {id}."
LOG_ABANDONED = (
    "Removed {count} unfinished files of {owner} from the queue, more than a day old; the last of them was {name}."
)
LOG_APPROVED = "Decision {id}: {operator} approved {alias} -> {destination}."
LOG_REJECTED = "Decision {id}: {operator} rejected the request for {alias} -> {destination}."
LOG_REVOKED = "Decision {id}: {operator} revoked {alias}."
LOG_ORPHANED = "Switched {alias} off: {reason}"
LOG_FAILED = "Decision {id} could not be applied: {reason}"
LOG_DRIFT = "The map {path} was changed by somebody else, or is not there; it is made anew from the registry."
LOG_PUBLISHED = "Published {path}: {aliases} aliases; {added} added, {changed} changed, {removed} removed."
LOG_PROBLEM = "Problem: {what}"
LOG_SOLVED = "No longer a problem: {code}."
LOG_REPEATED = "{line} (This happened {count} times more meanwhile.)"
LOG_REARMED = "A watched directory was replaced; watching was set up anew."

# One line for `systemctl status`.
STATUS_LINE = "{aliases} aliases published, {pending} requests pending, {problems} problems"
STATUS_OFF = "publishing is off (enabled: false), {pending} requests pending, {problems} problems"
