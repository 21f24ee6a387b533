"""Everything that `runv-admin-email-alias doctor` says. Placeholders have names."""

from __future__ import annotations

HELP = """\
Look whether everything is as it has to be, and show the command that mends what is not.

It changes nothing. The exit status is 1 where there is a problem, and 0 where there are warnings at most.

\b
Example:
  sudo runv-admin-email-alias doctor
"""

GRADES = {"ok": "ok", "warning": "warning", "problem": "problem"}
MEND = "mend"
ADVICE = "advice"
SUMMARY = "{problems}, {warnings}."
PROBLEMS_ONE = "1 problem"
PROBLEMS_MORE = "{count} problems"
WARNINGS_ONE = "1 warning"
WARNINGS_MORE = "{count} warnings"
ALL_WELL = "All is well."
UNASKED = "{about} could not be found out: {why}."
AND_MORE = "{some} and {count} more"

# Commands that mend, to be pasted by root.

SETUP = "runv-admin-email-alias setup"
SETUP_ENABLE = "runv-admin-email-alias setup --enable"
SETUP_ADD_USERS = "runv-admin-email-alias setup --add-existing-users"
DOCTOR_WITH_SUDO = "sudo runv-admin-email-alias doctor"
SYNC = "runv-admin-email-alias sync"
SYNC_DRY_RUN = "runv-admin-email-alias sync --dry-run"
PENDING = "runv-admin-email-alias pending"
REVOKE = ["runv-admin-email-alias", "revoke"]
START = "systemctl start {unit}"
ENABLE = "systemctl enable --now {unit}"
UNMASK = "systemctl unmask {unit} && systemctl enable --now {unit}"
UNMASK_RUNTIME = "systemctl unmask --runtime {unit} && systemctl enable --now {unit}"
JOURNAL = "journalctl --no-pager --lines=20 --unit={unit}"
RESTART = "systemctl restart {unit}"
RELOAD = "systemctl reload {unit}"
INSTALL_UNIT = "apt-get install --reinstall runv-email-alias"
INSTALL_POSTFIX = "apt-get install postfix"
CHECK_POSTFIX = "postfix check"
START_POSTFIX = "systemctl start postfix"
INSTALL_LMDB = "apt-get install postfix-lmdb"
INSTALL_TYPE = "apt-get install postfix-{type}"
INSTALL_PACKAGES = "apt-get install {packages}"
CLOSE_MAP_FILE = "chgrp postfix {path} && chmod 0640 {path}"
CLOSE_WRITE_MAP_FILE = "chmod 0600 {path}"
OPEN_FILE = "chgrp root {path} && chmod g+w {path}"
BUILD_TABLE = "postmap {table}"
LOOK_INTO = "ls -ld {place}"
LIST = "ls -l {place}"
MAKE_STICKY = "chmod 3770 {queue}"
CLOSE_UNIT = "chown root:root {path} && chmod 0644 {path}"
CLOSE_UNIT_DIRECTORY = "chown root:root {path} && chmod 0755 {path}"
CLOSE_HOLDER = "chown root {path} && chmod go-w {path}"
SHOW_MOUNTS = "findmnt --list --submounts --target {queue}"
RAISE_LIMIT = (
    "echo fs.inotify.{name}={more} >/etc/sysctl.d/60-runv-email-alias.conf && "
    "sysctl -p /etc/sysctl.d/60-runv-email-alias.conf"
)
MENDS_OF_THE_WATCHER: dict[str, str] = {
    "group-missing": SETUP,
    "state-unwritable": SETUP,
    "queue-unsafe": SETUP,
    "map-not-used": SETUP_ENABLE,
    "publish-held": SYNC_DRY_RUN,
    "publish-failed": SYNC,
    "orphans-held": SYNC_DRY_RUN,
}

# The registry

ABOUT_REGISTRY = "Whether the registry can be used"
REGISTRY_OK = "The registry can be used; active aliases: {active}, others kept as history: {others}."
REGISTRY_LOST = (
    "{trouble} But {map} still holds aliases, and a new, empty registry would switch them off: bring the registry back "
    "from a backup."
)

# Paths

ABOUT_PATHS = "Whether every path has the mode and owner that it has to have"
PATHS_OK = "Every path of the service that is there has the mode and owner that it has to have ({count} looked at)."
PATHS_MORE = "Further faults of paths: {count}. `setup --dry-run` shows them all."
PATHS_UNASKED_ONE = "One path could not be looked at, {path}: {why}."
PATHS_UNASKED_MORE = "{count} paths could not be looked at, such as {path}: {why}."
FAULTS = {
    "missing": "The {name} {path} is not there; {wanted} was expected.",
    "link": "The {name} {path} is a symbolic link. Find out who made it, and put the real thing in its place.",
    "kind": "The {name} {path} is {found}, which it should not be. Find out who made it, and put the real thing in "
    "its place.",
    "mode": "The {name} {path} has the mode {found}; {wanted} was expected.",
    "owner": "The {name} {path} belongs to {found}; {wanted} was expected.",
    "group": "The {name} {path} belongs to the group {found}; {wanted} was expected.",
    "no-group": "The {name} {path} should belong to the group {group}, which does not exist.",
}
HOLDER_WRITABLE = (
    "The directory {path} has the mode {mode} and the owner {owner}: others than root could put "
    "another {name} in place."
)
QUEUE_STICKY = "The queue has the mode 3770: no member can rename or remove another's file."
QUEUE_PLAIN = "The queue may have the mode 3770, which keeps members from renaming or removing each other's files."
QUEUE_MOUNTABLE = (
    "The queue may have the mode 3770, which keeps members from removing each other's files, and from mounting "
    "something over the queue by fusermount3, which is installed here."
)
UNIT_CLOSED = "The unit {path} can be changed by root alone."
UNIT_WRITABLE = (
    "The unit {path} has the mode {mode} or an owner other than root: whoever may write there becomes root at the "
    "watcher's next start. See that nothing was changed in it."
)

# Members

ABOUT_GROUP = "Whether the members' group exists"
NO_GROUP = "The group {group} does not exist, so nobody can be told to be a member."
GROUP_OK = "The members' group {group} exists (gid {gid})."
ABOUT_MEMBERS = "Whether every account of the server's list is a member"
NO_USERS_FILE = "There is no list of accounts {path} to hold the members' group against."
MISSING_ONE = "One account in {path} is not in the group {group} and cannot ask for an alias: {names}."
MISSING_MORE = "{count} accounts in {path} are not in the group {group} and cannot ask for an alias: {names}."
MEMBERS_ONE = "Every account of the server's list that can be a member is one (1 account)."
MEMBERS_MORE = "Every account of the server's list that can be a member is one ({count} accounts)."

# Orphans

ABOUT_ORPHANS = "Whether every active alias still has its member"
NO_ORPHANS = "Every active alias still has its member."
ORPHANS_ONE = (
    "An active alias has no member any more, and whoever is given that name next would inherit the forwarding: "
    "{reasons}."
)
ORPHANS_MORE = (
    "{count} active aliases have no member any more, and whoever is given such a name next would inherit the "
    "forwarding: {reasons}."
)
ORPHANS_UNSURE = (
    "It is not sure whether these aliases still have their members: {names}. The account files do not know them, but "
    "another name service may, and not answer now."
)
ORPHAN_REASON = "Its member is no more."

# The watcher

ABOUT_RUNNING = "Whether the watcher is running"
NEVER_RAN = "The watcher is not running, and has left no status since the machine started."
STOPPED = "The watcher is not running; it last reported on {updated}."
RUNNING = "The watcher is running since {since}, process {pid}."
HUNG = (
    "The watcher's process {pid} has been stopped by a signal: it is there and does nothing. systemd ends it after a "
    "while, or you do now."
)
NOT_DECIDING = (
    "The watcher is running and tells of no problem, but decisions have waited for it since {since} ({count}): it does "
    "not get to them."
)
ABOUT_UNIT = "Whether systemd starts the watcher"
NO_UNIT = "systemd knows no unit {unit}."
UNIT_NOT_ENABLED = "The unit {unit} is {state}: the watcher will not run after the next start of the machine."
UNIT_NOT_ACTIVE = "The unit {unit} is {state}; look into `journalctl -u {unit}` for the reason."
UNIT_OK = "systemd starts the watcher with the machine, and again when it ends ({unit})."
ABOUT_VERSION = "Whether the watcher is of the installed version"
OTHER_VERSION = "The watcher that is running has version {running}, and version {installed} is installed."
VERSION_OK = "The watcher has the version that is installed, {version}."
ABOUT_PROBLEMS = "Whether the watcher has problems"
WATCHER_SAYS = "The watcher says: {what} (since {since})"
NO_PROBLEMS = "The watcher tells of no problem."
ABOUT_CONVERGED = "Whether the map follows the registry"
CONVERGED = "The map follows the registry as it is now; aliases published: {aliases}."
BEHIND = "The map does not follow the registry: what was published last was another state of it."
BEHIND_STOPPED = "The map does not follow the registry, which has changed since the watcher ran."
NOT_TAKEN_UP = "The watcher publishes nothing though `enabled` is true in {config}: it has not taken that up."

# The configuration

ABOUT_CONFIGURATION = "Whether the configuration gives something up"
PUBLISHING_ON = "Publishing is switched on."
PUBLISHING_OFF = "Publishing is switched off (`enabled` is false in {config}): approvals are recorded only."
SAFE_BUILD = "A new map is built aside, asked, and renamed into place."
OWN_POSTMAP = (
    "`postmap_command` in {config} is a command of its own ({command}), which works on the live map: when it is "
    "interrupted, or the disk is full, it may leave a broken map, and no earlier one is put back. Plain `postmap` "
    "gives the safe build."
)
NO_POSTMAP = (
    "`run_postmap` is false in {config}: only {text} is written, and that somebody else builds the table from it is "
    "not proved at each change."
)
NO_RELOAD = (
    "`reload_postfix` is false in {config}, but Postfix reads a texthash map only when it starts or reloads: changes "
    'are not live. Set it to "auto".'
)

# Postfix

ABOUT_POSTFIX = "Whether Postfix is there"
NO_POSTFIX = "Postfix could not be asked, so nothing that depends on it was looked at. {why}"
POSTFIX_DOWN = "Postfix is {state}, so no mail is taken in or forwarded, and what its programs hold waits."
POSTFIX_OK = "Postfix {version} answers."
ABOUT_TYPE = "Whether Postfix has maps of that type"
TYPE_OK = "Postfix has maps of type {type}."
NO_BERKELEY = (
    "The installed Postfix has no maps of type {type}: it was built without Berkeley DB. Set "
    '`"backend": "postfix-lmdb"` in {config}, and name the map as lmdb in virtual_alias_maps.'
)
NO_TYPE = "The installed Postfix has no maps of type {type}. Install it, or set another `backend` in {config}."
ABOUT_NAMED = "Whether Postfix asks the map"
NAMED_OK = "virtual_alias_maps of Postfix names {map}."
OUTDATED = (
    "virtual_alias_maps of Postfix still names {tables}, from before the aliases were in a database: it answers for "
    "aliases that are revoked by now."
)
NOT_NAMED = "virtual_alias_maps of Postfix does not name {map}, so no alias is live."
ABOUT_DOMAIN = "Whether Postfix takes mail for the domain"
NOT_ACCEPTED = "Postfix takes no mail for {domain}."
DOMAIN_UNASKED = (
    "Whether Postfix takes mail for {domain} could not be found out, since {parameter} names {pattern}: {why}"
)
DOMAIN_BROKEN = "{parameter} of Postfix names {pattern}, which cannot be asked, so Postfix puts all mail off. {why}"
DOMAIN_TWICE = (
    "Postfix takes mail for {domain} by {first} and by {others} too. A domain may stand in one of them only: Postfix "
    "warns at each message, and goes by the first for addresses without an alias."
)
DOMAIN_OK = {
    "mydestination": "Postfix takes mail for {domain}, as a domain of local accounts (mydestination).",
    "virtual_alias_domains": "Postfix takes mail for {domain} (virtual_alias_domains).",
    "virtual_mailbox_domains": "Postfix takes mail for {domain}, as a domain of mailboxes (virtual_mailbox_domains).",
    "relay_domains": (
        "Postfix takes mail for {domain} only to relay it (relay_domains): an address without an alias is sent on to "
        "another server."
    ),
}

# What the map answers

ABOUT_ANSWERS = "Whether the map answers as the registry has it"
MAP_BROKEN = "The map {map} cannot be asked, so where virtual_alias_maps names it, Postfix puts all mail off. {why}"
ANSWERS_OK_ONE = "The map answers for the one active alias as the registry has it."
ANSWERS_OK_MORE = "The map answers for all {count} active aliases as the registry has it."
ANSWERS_OK_SOME = (
    "The map answers as the registry has it for {asked} of {count} active aliases, which were picked at random, and "
    "the database has the rows of all of them."
)
ANSWERED = "{alias} -> {found} (not {wanted})"
ANSWERS_WRONG_ONE = "The map sends an alias elsewhere than the registry has it: {examples}."
ANSWERS_WRONG_MORE = "The map sends {count} aliases elsewhere than the registry has it: {examples}."
ANSWERS_NONE_ONE = "The map does not answer for an active alias: {examples}."
ANSWERS_NONE_MORE = "The map does not answer for {count} active aliases: {examples}."
ANSWERS_STILL_ONE = "The map still answers for an alias that is not active: {examples}."
ANSWERS_STILL_MORE = "The map still answers for {count} aliases that are not active: {examples}."

# Other tables

ABOUT_TABLES = "Whether the other tables of virtual_alias_maps can be asked"
TABLES_OK = "Every other table of virtual_alias_maps can be asked ({count})."
TABLE_BROKEN = "The table {table} of virtual_alias_maps cannot be asked, so Postfix puts all mail off. {why}"
TABLE_UNASKED = "The table {table} of virtual_alias_maps could not be asked from here. {why}"
ABOUT_SHADOWED = "Whether another table answers for an alias first"
NOT_SHADOWED = "No table before the map answers for an active alias with something else."
SHADOWED_ONE = "The table {table} comes before the map and answers for an alias with something else: {examples}."
SHADOWED_MORE = (
    "The table {table} comes before the map and answers for {count} aliases with something else: {examples}."
)
ABOUT_MAILBOXES = "Whether an alias is the address of a mailbox too"
NO_MAILBOXES = "No active alias is the address of a mailbox in virtual_mailbox_maps too."
LOCAL_MAILBOXES = (
    "The domain is one of local accounts: mail to an active alias is forwarded and no longer reaches the account's own "
    "mailbox, as is meant."
)
MAILBOX_ONE = "An active alias is the address of a mailbox too, which gets no mail any more: {examples}."
MAILBOX_MORE = "{count} active aliases are the addresses of mailboxes too, which get no mail any more: {examples}."
REVOKE_MAILBOX = "runv-admin-email-alias revoke {user} --reason 'The address has a mailbox.'"

# Where mail goes after an alias

ABOUT_LOOPS = "Whether every alias leads out of this server"
NO_LOOPS = "Every active alias leads out of this server."
WAYS = {
    "loops": (
        "An alias leads back to where it came from, so mail to it never arrives: {examples}.",
        "{count} aliases lead back to where they came from, so mail to them never arrives: {examples}.",
    ),
    "dead-ends": (
        "An alias leads to an address of this server that nobody has, so mail to it bounces: {examples}.",
        "{count} aliases lead to addresses of this server that nobody has, so mail to them bounces: {examples}.",
    ),
    "own-domains": (
        "An alias leads to an address that this server keeps for itself, and not out of it: {examples}.",
        "{count} aliases lead to addresses that this server keeps for itself, and not out of it: {examples}.",
    ),
}
REVOKES = {
    "loops": "runv-admin-email-alias revoke {user} --reason 'The address leads back here.'",
    "dead-ends": "runv-admin-email-alias revoke {user} --reason 'Nobody has that address.'",
    "own-domains": "runv-admin-email-alias revoke {user} --reason 'The address is on this server.'",
}

# SRS

ABOUT_SRS = "Whether forwarded mail will bounce for want of SRS"
NOTHING_FORWARDED = "Nothing is forwarded yet, so no sender's address has to be rewritten (SRS)."
SRS_OK = "Senders' addresses are rewritten on forwarding (SRS, {table})."
SRS_DOWN = (
    "Postfix is told to have senders' addresses rewritten by {table}, but postsrsd is {state}: until it runs, Postfix "
    "puts all mail off."
)
SRS_ABSENT = (
    "Postfix is told to have senders' addresses rewritten by {table}, but nothing answers there ({why}): until "
    "something does, Postfix puts all mail off."
)
SRS_UNUSED = (
    "postsrsd runs, but Postfix is not told to ask it, so forwarded mail keeps its author's address as its sender and "
    "fails the SPF check of the other side. These settings have every sender rewritten to an address of this server, "
    "to which bounces find their way back."
)
SRS_STRICT = (
    "Forwarded mail comes from this server but keeps its author's address as its sender, so it fails the SPF check of "
    "{examples} (active aliases that lead there: {count}), and some of it will bounce or be taken for spam. SRS "
    "rewrites the sender to an address of this server: install postsrsd, see that it has {domain} as its own domain, "
    "and look here again for the settings of Postfix."
)
SRS_UNKNOWN = (
    "Forwarded mail comes from this server but keeps its author's address as its sender, so it fails wherever SPF is "
    "checked, and some of it may bounce or be taken for spam (active aliases: {count}, leading to {examples}). SRS "
    "rewrites the sender to an address of this server: install postsrsd, see that it has {domain} as its own domain, "
    "and look here again for the settings of Postfix."
)
INSTALL_SRS = "apt-get install postsrsd"
START_SRS = "systemctl enable --now postsrsd"

# The kernel and the disk

ABOUT_INOTIFY = "Whether inotify instances and watches are left"
INOTIFY_UNASKED = "How many inotify instances and watches are left can only be seen by root."
INOTIFY_OK = "Root's programs use {instances} of {limit} inotify instances."
INOTIFY_NEAR = (
    "Root's programs use {count} of what fs.inotify.{name} allows ({limit}); without one of its own the watcher cannot "
    "start."
)
ABOUT_DISK = "Whether the disk has room"
DISK_OK = "The file systems of the state, the map and the status have room."
DISK_OK_DATABASE = "The file systems of the state and the status have room."
DISK_FULL = (
    "The file system of {path} is nearly full: {free} KiB ({percent}) are left. Make room before requests and "
    "decisions have to wait."
)
INODES_GONE = "The file system of {path} is nearly full: {free} inodes are left."

# What waits for a person

ABOUT_FAILED = "Whether decisions have failed"
FAILED_ONE = "A decision could not be applied and is kept with the reason. Remove the file when you have read it."
FAILED_MORE = (
    "{count} decisions could not be applied and are kept with their reasons. Remove the files when you have read them."
)
NONE_FAILED = "No decision that could not be applied is kept."
ABOUT_WAITING = "What waits"
WAITING = (
    "Requests that wait for a decision: {pending}; queue entries refused since the watcher started: {refused}; left "
    "alone there: {left_alone}."
)
