"""Everything that `setup` says. Placeholders have names.

A step has an infinitive, for `WOULD` and `COULD_NOT`, and a sentence for when it is done.
"""

from __future__ import annotations

# How steps are told.

WOULD = "Would {what}."
COULD_NOT = "Could not {what}: {why}."
WARNING = "Warning: {what}"
NOTHING_TO_DO = "Nothing to do: everything is set up."
DRY_RUN = "Nothing was changed."
NEEDS_ROOT = "Only root can set the service up. Run it with sudo, or look with --dry-run at what it would do."

# The group

MAKE_GROUP = "make the group {group}"
MADE_GROUP = "Made the group {group}."
NAME_GROUP = "set `group` to {group} in {path}"
NAMED_GROUP = "Set `group` to {group} in {path}."
BAD_GROUP = "{group} cannot be the name of a group: a lower-case letter or `_` and up to 31 of a-z, 0-9, `-` and `_`."
POWERFUL_GROUP = "{group} has powers of its own, which every member would get. Take a group that is for members only."
LEFT_BEHIND = (
    "Members with an alias are not in the group {group}, and would lose it: {count}, such as {names}. Add them with "
    "`usermod --append --groups {group} NAME`, then run this command again."
)
GROUP_STAYS = "The members' group is still {configured}, and nothing else was done."
OVERRIDE = "write {path}, since the service is installed for the group {usual}"
OVERRIDDEN = "Wrote {path}: the service works for the group {group}."
OVERRIDE_GONE = "remove {path}, which names another group"
OVERRIDE_REMOVED = "Removed {path}, which named another group."
OVERRIDE_FOREIGN = "{path} is not of this program's making and was left alone. It has to name the group {group}."
WALLS = "write {path}, which lets the watcher reach the database"
WALLS_OPENED = "Wrote {path}, which lets the watcher reach the database."
WALLS_GONE = "remove {path}, which lets the watcher reach a database that it does not use"
WALLS_REMOVED = "Removed {path}, which let the watcher reach a database that it does not use."
WALLS_FOREIGN = (
    "{path} is not of this program's making and was left alone. It has to let the watcher reach the database."
)
RESTART_WALLS = "restart the watcher, which was started behind other walls"
RESTARTED_WALLS = "Restarted the watcher: its walls are those for this database now."
RELOAD_UNITS = "have systemd read its units again"
RELOADED_UNITS = "systemd has read its units again."
RESTART = "restart the watcher, which was started without the group {group}"
RESTARTED = "Restarted the watcher: it has the group {group} now."

# Directories and files

MAKE_DIRECTORY = "make the directory {path} ({wanted})"
MADE_DIRECTORY = "Made the directory {path} ({wanted})."
MAKE_REGISTRY = "make the registry {path}, without aliases ({wanted})"
MADE_REGISTRY = "Made the registry {path}, without aliases ({wanted})."
REGISTRY_LOST = (
    "The registry {path} is not there, and {map} has aliases, which an empty registry would switch off. Put the "
    "registry back from a backup; if the aliases are to go, empty {map} and run this command again."
)
REGISTRY_LOST_DATABASE = (
    "The registry {path} is not there, and the database of {map} has aliases of its, which an empty registry would "
    "switch off. Put the registry back from a backup; if the aliases are to go, delete their rows and run this command "
    "again."
)
REGISTRY_LOST_MAYBE = (
    "The registry {path} is not there, and whether the database of {map} has aliases that an empty one would switch "
    "off could not be found out: {why} Mend that and run this command again."
)
MEND = "give {path} the mode and owner {wanted}; it has {found}"
MENDED = "Gave {path} the mode and owner {wanted}; it had {found}."
RENEW = "put a new file with the same contents in place of {path}, which others could have open ({found} before)"
RENEWED = "Put a new file with the same contents in place of {path}, which others could have open; it had {found}."
RENEW_LOCK = "put a new file in place of the lock {path}, which others than root could hold ({found} before)"
RENEWED_LOCK = "Put a new file in place of the lock {path}, which others than root could hold; it had {found}."
HAND_OVER = "give the request records in {path} the group {group} ({count})"
HANDED_OVER = "Gave the request records in {path} the group {group} ({count})."
WRONG_KIND = "{path} is {found}, and a {kind} was expected. It was left alone; look at it, and remove it."
UNASKED = "{path} cannot be looked at: {why}."
IT_CHANGED = "it was changed in that moment"
NO_GROUP = "the group {group} does not exist"

# Members

JOIN = "add {name} to the group {group}"
JOINED = "Added {name} to the group {group}; who is logged in has to log in again."
NO_USERS = "There is no list of accounts {path}, so nobody was added to the group."
UNNAMED = "{count} items of {path} name nobody and were left out."
LEFT_OUT = "{name} was not added to the group. {why}"
LEFT_OUT_MORE = "{count} more were left out for such reasons."
MISSING_ONE = "1 account of {path} is not in the group {group}. To add it: {program} setup --add-existing-users"
MISSING_MORE = (
    "{count} accounts of {path} are not in the group {group}. To add them: {program} setup --add-existing-users"
)

# Moving an existing server over

QUEUE_MOUNTED = (
    "A file system of type {kind} is mounted over the queue {path}, so nothing in it was touched. Unmount it."
)
MOVE_FOLDER = "make request records of what is in {path} ({count}), and remove that directory"
MOVED_FOLDER = "Moved {path} over. Request records made: {moved}; there already: {known}; kept in {old}: {kept}."
MOVED_FOLDER_PLAIN = "Moved {path} over. Request records made: {moved}; there already: {known}."
MOVE_WAITING = "take in the requests of the earlier tool that wait in {path} ({count})"
MOVED_WAITING = (
    "Dealt with the requests that waited in {path}. Taken in: {pending}; refused: {refused}; kept in {old}: {kept}."
)
MOVED_WAITING_PLAIN = "Dealt with the requests that waited in {path}. Taken in: {pending}; refused: {refused}."
FOREIGN_FOLDER = "The directory {path} belongs to {owner}, so it is not the earlier tool's and was left alone."
SOMETHING_MOUNTED = "something is mounted over {path}; unmount it"
FOLDER_MOUNTED = "Something is mounted over the directory {path}, so it was not touched. Unmount it."
LEFT = "{path} still holds {count} of them, one because {why}"
WATCHER_TOLD = "have the watcher look at the records anew"
WATCHER_LOOKED = "Told the watcher to look at the records anew."
REGISTRY_TROUBLE = "{what} `setup` leaves it as it is."

# Publishing

ENABLE_INTRO = "To have mail flow, this will be done:"
ENABLE_LINE = "  {line}"
ENABLE_CONFIG = "set `enabled` to true in {path}"
ENABLED_CONFIG = "Set `enabled` to true in {path}."
ENABLE_QUESTION = "Do it?"
ENABLE_NO = "Nothing of that was done."
ENABLE_NOTHING = "Publishing is on, and Postfix asks the map and takes mail for {domain}."
ENABLE_NOT_YET = "Publishing was not switched on, because of what could not be done before."
POSTFIX_UNASKED = "Postfix could not be asked how it is set up: {why} Publishing was not switched on."
TYPE_UNKNOWN = (
    "This Postfix has no tables of type {type} (`postconf -m` tells which). Install the package for it, or set another "
    "`backend` in {path}; publishing was not switched on."
)
DOMAIN_UNASKED = (
    "Whether Postfix takes mail for {domain} could not be found out, because {pattern} in `{parameter}` could not be "
    "asked: {why} Mend that and try again; publishing was not switched on."
)
WATCHER_DOWN = (
    "The watcher is not running, so there is no map yet, and Postfix was left as it is. Run `systemctl start {unit}`, "
    "then this command once more."
)
NO_MAP = "The map {table} has not been made, so Postfix was left as it is: {why}"
NO_MAP_YET = "see `{program} status`"
EDIT_POSTFIX = "run: {line}"
EDITED_POSTFIX = "Done: {line}"
RELOAD_POSTFIX = "run: {line}"
RELOADED_POSTFIX = "Done: {line}"
RELOAD_FAILED = "Postfix is set up, but it was not told: {why} Reload it, or it goes on as before."
LIVE = "Mail to the aliases at {domain} flows: {aliases} in the map."
NOT_LIVE = "Postfix is set up, but something stands in the way: {what}"

ENABLE_KEY = "set `{key}` to {value} in {path}"
ENABLE_BLOCK = "set `{key}` in {path} to:"
ENABLE_KEYS = "set {keys} in {path}"
SET_KEYS = "Set {keys} in {path}."
NO_LIBRARY = (
    "The libraries for the database are not there. Run `apt-get install {packages}`, then this command once more."
)
COLUMNS_OPEN = (
    "New rows of the table {table} need a value in {columns}, which cannot be told. Set `sql` in {path} to what "
    "`runv-admin-email-alias discover --map {map}` shows, with that value in `constants`."
)
FILE_HIDDEN = (
    "The service does not see {path}: it sees nothing below /home, /root and /run/user. Put the file elsewhere, such "
    "as below /etc or /var/lib."
)
DATABASE_TROUBLE = "{why} Publishing was not switched on."
TYPE_MISSING = (
    "This Postfix has no tables of type {type}. Run `apt-get install postfix-{type}`, then this command once more; "
    "publishing was not switched on."
)
NO_ROWS = "The map {table} cannot be asked, or does not follow yet, so Postfix was left as it is: {why}"

# Help

HELP = """\
Make or mend everything the service needs, and move an earlier installation over.

Group, directories, modes, registry and lock are put right; requests and history of the earlier tool, in the queue
directory, become records. Doing it again changes nothing.

\b
Examples:
  sudo runv-admin-email-alias setup --dry-run
  sudo runv-admin-email-alias setup --add-existing-users --enable
  sudo runv-admin-email-alias setup --enable --map mysql:/etc/postfix/map.cf
"""
DRY_RUN_HELP = "Only show what would be done."
GROUP_HELP = "Let NAME be the members' group from now on."
ADD_HELP = "Add the accounts of users.json in the state directory to the members' group."
ENABLE_HELP = "Switch publishing on, and set Postfix up for it, after showing the commands and asking."
YES_HELP = "With --enable: do not ask."
MAP_HELP = "With --enable: keep the aliases in the database that FILE, a path or type:path, leads to."
MAP_ALONE = "--map goes with --enable only."
YES_ALONE = "--yes goes with --enable only."
