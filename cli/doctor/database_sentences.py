"""What `doctor` says of a map in a database. Placeholders have names."""

from __future__ import annotations

ABOUT_LIBRARY = "Whether the libraries for the database are there"
NO_LIBRARY = "A map of type {type} needs libraries that are not there: {packages}."
LIBRARY_OK = "The libraries for a map of type {type} are there."
ABOUT_MAP_FILE = "Whether the file that leads to the database is in order"
MAP_FILE_WRITABLE = (
    "The file {path} has the mode {mode} and the owner {owner}: others than root could lead the watcher and Postfix to "
    "another database."
)
MAP_FILE_OPEN = "The file {path} has the mode {mode}, so every account can read the password in it."
MAP_FILE_OK = "The file {path} can be read, and only by those who have to."
ABOUT_DATABASE = "Whether the rows in the database are as they should be"
DATABASE_OK = "The database answers; rows of this program's making: {count}."
NO_TRANSACTIONS = (
    "The table has the engine {engine}, which knows no transactions: a publish that is interrupted may be half done "
    "until the next one. Have it changed to InnoDB."
)
ABOUT_QUERY = "Whether Postfix finds the rows by its query"
OTHER_DOMAINS = "By `domain` in {path}, Postfix does not ask the map for addresses at {domain}: no alias is live."
OTHER_TABLE = (
    "The query in {path} reads from {found}, and the aliases are written to {table}: unless the one is a view of the "
    "other, no alias is live."
)
QUERY_OK = "The query in {path} reads from the table that the aliases are written to, {table}."
NO_CONFLICTS = "No row of somebody else's holds an active alias."
HELD = "{alias} should go to {destination} and goes to {held}"
HELD_SAME = "{alias} goes to {destination}, but by a row that would stay when the alias is revoked"
CONFLICTS_ONE = (
    "A row in the database that is not of this program's making holds an active alias, which is not published: "
    "{examples}. Delete that row and run `sync`, or revoke the alias."
)
CONFLICTS_MORE = (
    "Rows in the database that are not of this program's making hold {count} active aliases, which are not published: "
    "{examples}. Delete such a row and run `sync`, or revoke the alias."
)
ABOUT_REPLICAS = "Whether the replicas of the database are up to date"
REPLICAS_ONE = "The replica of the database that Postfix asks is up to date."
REPLICAS_MORE = "The {count} replicas of the database that Postfix asks are up to date."
ABOUT_WALLS = "Whether the unit lets the watcher reach the database"
WALLS_SHUT = "The unit {unit} keeps the watcher from the database: it does not allow {what}."
WALLS_OPEN = "The unit {unit} lets the watcher reach the database."
ABOUT_CHROOT = "Whether Postfix can get to the database out of its chroot"
OUT_OF_REACH = {
    "socket": (
        "{programs} of Postfix run in a chroot, where the socket that {map} leads to is not to be found, so mail is "
        "put off. By way of proxymap it is."
    ),
    "file": (
        "{programs} of Postfix run in a chroot, where the journal of the file that {map} leads to is not seen: after a "
        "crash they may read what is half written. By way of proxymap they do not."
    ),
}
WITHIN_REACH = "Postfix can get to the database, chroot or not."
ABOUT_WRITABLE = "Whether the watcher may write to the database's file"
FILE_SHUT = (
    "The watcher may not write to {path}: root has no powers of its own there, and neither its owner nor its group is "
    "root."
)
