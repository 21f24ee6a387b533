"""The rules for an outside address, in one place.

The member command, the watcher at intake and the watcher again when a decision is applied call
`check_destination`; whatever is published is held against `DESTINATION_ROW` besides.
"""

from __future__ import annotations

import functools
import re

from schemas.reason import RefusedError
from schemas.text import N_, sentence

LOCAL_PART_BYTES = 64  # RFC 5321, section 4.5.3.1.1
ADDRESS_BYTES = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets

_ATEXT = r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]"  # RFC 5322 atext without '!' and '%', which route mail
_LOCAL = rf"(?![-/|]){_ATEXT}+(?:\.{_ATEXT}+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

LOCAL_PART = re.compile(_LOCAL)
DESTINATION_ROW = rf"{_LOCAL}@(?:{_LABEL}\.)+{_LABEL}"
"""What a published destination looks like, as a regular expression without groups: exactly one plain address."""
_ROW = re.compile(DESTINATION_ROW)

_SPECIAL_USE = ("alt", "internal", "localdomain")
"""Domains that email-validator 2.2 does not know to be nobody's: RFC 9476; ICANN's private-use domain of 2024; and what
hosts(5) calls the machine itself by, whose own mail aliases would then be reached."""


class DestinationRefusedError(RefusedError):
    """An address that mail is never forwarded to."""


def check_destination(text: str, domain: str) -> str:
    """Give the address that *text* stands for, as mail will be sent to it: ASCII, the domain in lower case.

    An internationalised domain comes back as its A-label (RFC 5891). No DNS is asked.

    Args:
        text: the address as its author wrote it.
        domain: the alias domain; forwarding into it, or below it, would be a loop.

    Raises:
        DestinationRefusedError: *text* is not one plain outside address.
    """
    local, _at, written_domain = text.rpartition("@")
    _check_form(text, local, written_domain)
    ascii_domain = _ascii_domain(written_domain)
    address = f"{local}@{ascii_domain}"
    if any(ascii_domain.endswith("." + special) for special in _SPECIAL_USE):
        raise DestinationRefusedError(
            "destination-special-use",
            N_("The domain {domain} is set apart for special use and receives no mail. Give a public address.").format(
                domain=ascii_domain
            ),
        )
    if ascii_domain == domain or ascii_domain.endswith("." + domain):
        raise DestinationRefusedError(
            "destination-loop",
            N_(
                "The address is in {domain} itself, so mail to it would come back here. Give an address elsewhere."
            ).format(domain=domain),
        )
    if len(address) > ADDRESS_BYTES:
        raise DestinationRefusedError(
            "destination-too-long-in-mail",
            N_("The address has {count} octets in the form that mail uses, and at most {limit} fit.").format(
                count=len(address), limit=ADDRESS_BYTES
            ),
        )
    if not _ROW.fullmatch(address):
        raise DestinationRefusedError(
            "destination-not-plain", N_("The address is not one plain address in the form that mail uses.")
        )
    return address


def warm_up() -> None:
    """Load the tables of domain names now, so that the first address does not wait for them."""
    check_destination("someone@example.org", "example.net")


def _check_form(text: str, local: str, written_domain: str) -> None:
    if not text.strip():
        raise DestinationRefusedError(
            "destination-empty", N_("The address is empty. Give one address, such as me@example.org.")
        )
    if text != text.strip() or not text.isprintable() or " " in text:
        raise DestinationRefusedError(
            "destination-space",
            N_("The address has a space or a control character in it. Give one plain address."),
        )
    if "," in text or ";" in text:
        raise DestinationRefusedError(
            "destination-several",
            N_("The address has a comma or semicolon in it. An alias has exactly one address."),
        )
    if not local or not written_domain:
        raise DestinationRefusedError(
            "destination-no-address", N_("That is not an address. Give one with a name, an '@' and a domain.")
        )
    _check_local_part(local)
    if written_domain.startswith("["):
        raise DestinationRefusedError(
            "destination-ip-address", N_("The part after the '@' is an IP address. Give a domain name.")
        )
    if len(text) > ADDRESS_BYTES:
        # Refused here, in one sentence and without work: libraries disagree on the words, and their tables take time.
        raise DestinationRefusedError(
            "destination-too-long",
            N_("The address has {count} characters, and at most {limit} fit.").format(
                count=len(text), limit=ADDRESS_BYTES
            ),
        )


def _check_local_part(local: str) -> None:
    if '"' in local:
        raise DestinationRefusedError(
            "destination-quoted", N_("The part before the '@' is quoted, which is not accepted here.")
        )
    if "%" in local or "!" in local:
        raise DestinationRefusedError(
            "destination-route",
            N_("The part before the '@' holds '%' or '!', which some mail servers take for a route."),
        )
    if local[0] in "-/|":
        raise DestinationRefusedError(
            "destination-first-character",
            N_("The part before the '@' begins with {character!r}, which programs misread.").format(character=local[0]),
        )
    if not LOCAL_PART.fullmatch(local):
        raise DestinationRefusedError(
            "destination-characters",
            N_(
                "The part before the '@' may only hold unaccented letters, digits, single dots between them and the "
                "characters # $ & ' * + - / = ? ^ _ ` {{ | }} ~."
            ).format(),
        )
    if len(local) > LOCAL_PART_BYTES:
        raise DestinationRefusedError(
            "destination-long-name",
            N_("The part before the '@' has {count} octets, and at most {limit} are allowed.").format(
                count=len(local), limit=LOCAL_PART_BYTES
            ),
        )


@functools.lru_cache(maxsize=1024)
def _ascii_domain(written: str) -> str:
    """The domain as mail uses it. Remembered: most members of a server have addresses at a few providers."""
    # Imported late: the commands that never see an address should not pay for its tables.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        found = validate_email(
            f"x@{written}",
            allow_smtputf8=False,
            allow_domain_literal=False,
            allow_display_name=False,
            check_deliverability=False,
            test_environment=False,
            globally_deliverable=True,
        ).ascii_email
    except (EmailNotValidError, ValueError) as error:
        raise DestinationRefusedError(
            "destination-domain", N_("The address is not accepted: {error}").format(error=sentence(str(error)))
        ) from error
    if found is None or not found.startswith("x@"):
        raise DestinationRefusedError(
            "destination-several-domains",
            N_("The part after the '@' is not one domain name in the form that mail uses."),
        )
    return found[2:].lower()
