"""The sentences that both commands say. Placeholders have names, so that a translation may order them anew."""

from __future__ import annotations

VERSION_HELP = "Show the version and exit."
VERSION = "{program} {version}"

INTERRUPTED = "Interrupted. What was handed in before that stays, and is dealt with."
FILE_TROUBLE = "{place} cannot be used ({why}). Look for a full disk, or a wrong owner or mode, and try again."
OUTPUT_TROUBLE = "A file or the output cannot be used: {why}."

REGISTRY_UNREADABLE = "The registry {place} cannot be read ({why})."
REGISTRY_DENIED = "You may not read the registry {place}: only root and the members' group may."
REGISTRY_MISSING = "The registry {place} is not there. An administrator makes it, at first with the contents {{}}."
REGISTRY_NO_JSON = "The registry {place} cannot be used: a JSON object of aliases was expected. Mend the file."

MOMENT = "{date} {time} UTC"
NOTHING = "-"

USERS_UNREADABLE = "The list of accounts {path} cannot be read ({why}). It was left out; mend its owner and mode."
USERS_SHAPE = (
    "The list of accounts {path} was not understood. {why} A list of names, an object keyed by name, or an object "
    "whose `users` is a list was expected."
)
NO_SUCH_ACCOUNT = "There is no account {name}."
NO_PERSON = "The account {name} has the uid {uid}; people's accounts begin at {first}."
