"""Everything that `discover` says. Placeholders have names."""

from __future__ import annotations

HELP = """\
Take stock of the mail server: packages, services, Postfix's settings, and files.

It changes nothing. Of files it tells whether they are there, never what is in them. What could not be asked, and why,
stands at the end.

With --map, what a map in a database points at, and the lines of the configuration for it. The password is not shown.

\b
Examples:
  sudo runv-admin-email-alias discover
  sudo runv-admin-email-alias discover --map mysql:/etc/postfix/map.cf
  sudo runv-admin-email-alias discover --json
"""

PACKAGE_HEADINGS = ("PACKAGE", "VERSION")
SERVICE_HEADINGS = ("SERVICE", "NOW", "AT BOOT")
FILE_HEADINGS = ("FILE", "WHAT", "MODE", "OWNER", "OCTETS")
POSTFIX_HEADING = "POSTFIX"
OURS_HEADING = "MEMBERS' ALIASES"
NOT_ASKED_HEADING = "COULD NOT BE ASKED"
NOT_ASKED = "{what}: {why}"
NOT_INSTALLED = "not installed"
EMPTY = "(empty)"

KINDS = {
    "file": "file",
    "directory": "directory",
    "link": "link",
    "fifo": "FIFO",
    "socket": "socket",
    "device": "device",
    "absent": "absent",
    "hidden": "not to be seen",
}

TABLE_TYPES = "map types"
LINK_TO = "link to {target}"
VERSION = "version"
CONFIG_FILE = "configuration"
PUBLISHING = "publishing"
MAP = "map"
DOMAIN = "domain"
REGISTRY_FILE = "registry"
ACTIVE = "active aliases"
WATCHER_STATE = "watcher"
ON = "on"
OFF = "off (`enabled` is false)"
RUNNING = "running"
NOT_RUNNING = "not running"
UNKNOWN = "not known"

# What could not be asked

PACKAGES = "Debian's packages"
SERVICES = "The services"
POSTFIX = "Postfix"
POSTFIX_SETTINGS = "Postfix's parameters and map types"
MAILGUN_NAMES = "Files named after Mailgun in {directory}"
CONFIG = "The configuration"
REGISTRY = "The registry"
WATCHER = "The watcher"

NO_SYSTEMD = "This machine is not run by systemd."
NO_MAIN_CF = "Postfix has no configuration: {path} is not there."
DENIED = "This account may not look there; run it with sudo."
FILE_TROUBLE = "{why}."

# A map in a database

MAP_HELP = "Show the map in a database that FILE leads to, a path or type:path, instead."
MAP_HEADING = "MAP IN A DATABASE"
MAP_MODE = "file mode"
MAP_HOSTS = "hosts"
MAP_DATABASE = "database"
MAP_USER = "user"
MAP_PASSWORD = "password"  # noqa: S105 - the word itself
MAP_QUERY = "query"
PASSWORD_GIVEN = "given, and not shown"  # noqa: S105 - nor is this one
PASSWORD_NONE = "none"  # noqa: S105 - nor is this one
MAP_FILE_OPEN = "Every account can read that file, and the password in it. Give it the mode 0640 and the group postfix."
TABLE_HEADING = "TABLE"
TABLE = "table"
ADDRESSES = "addresses"
DESTINATIONS = "destinations"
TOTAL = "rows"
COLUMN_HEADINGS = ("COLUMN", "TYPE", "EMPTY", "DEFAULT", "REFERS TO")
MAY_BE_EMPTY = "may be"
NEVER_EMPTY = "never"
ROWS_HEADING = "SOME ROWS"
HIDDEN = "(not shown)"
OPEN_COLUMNS = "New rows need a value in these columns too; give it in `constants`: {columns}."
BLOCK_HEADING = "FOR THE CONFIGURATION"
NO_LIBRARY = "The libraries for the database are not there, so it was not asked. Run: apt-get install {packages}"
