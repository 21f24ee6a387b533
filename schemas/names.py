"""Which account names may have an alias, and what that alias is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from schemas.reason import RefusedError
from schemas.text import N_

USERNAME = re.compile(r"[a-z][a-z0-9_-]{1,31}")

RESERVED = frozenset(
    {
        "root",
        "admin",
        "postmaster",
        "abuse",
        "security",
        "support",
        "contato",
        "contact",
        "noreply",
        "no-reply",
        "mailer-daemon",
        "hostmaster",
        "webmaster",
        "entre",
        "join",
        "welcome",
        # The other role names of RFC 2142, sections 3 to 5.
        "info",
        "marketing",
        "sales",
        "noc",
        "usenet",
        "news",
        "www",
        "uucp",
        "ftp",
    }
)
"""Names that speak for the server, not for a person; the config's `reserved` adds to them."""


class NameRefusedError(RefusedError):
    """An account name that can have no alias."""


def check_username(name: str, reserved: Iterable[str] = ()) -> None:
    """Raise `NameRefusedError` unless *name* may have an alias: `^[a-z][a-z0-9_-]{1,31}$` and not reserved.

    *reserved* is the config's own list, compared without regard to case.
    """
    if not USERNAME.fullmatch(name):
        raise NameRefusedError(
            "name-form",
            N_(
                "The account name {name!r} cannot be an alias: an alias is a lower-case letter followed by 1 to 31 "
                "lower-case letters, digits, '-' or '_'."
            ).format(name=name),
        )
    if name in RESERVED or name in {word.lower() for word in reserved}:
        raise NameRefusedError(
            "name-reserved",
            N_("The name {name} is reserved for the server itself and cannot be a member's alias.").format(name=name),
        )


def alias_of(username: str, domain: str) -> str:
    """The one alias that *username* can have: `username@domain`."""
    return f"{username}@{domain}"
