"""Everything that `discover` says. Placeholders have names."""

from __future__ import annotations

HELP = """\
Take stock of the mail server: packages, services, Postfix's settings, and files.

It changes nothing. Of files it tells whether they are there, never what is in them. What could not be asked, and why,
stands at the end.

\b
Examples:
  sudo runv-admin-email-alias discover
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
