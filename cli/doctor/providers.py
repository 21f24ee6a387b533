"""Mail providers that are known to hold what they receive to SPF, and to refuse or set aside what fails it.

Google ("Email sender guidelines"), Yahoo ("Sender Requirements & Recommendations"), Microsoft ("Outlook's requirements
for high-volume senders") and Apple ("Postmaster information for iCloud Mail") say so to senders. The others are large
ones whose members are found among the destinations of such servers; one too many here only changes a sentence.
"""

from __future__ import annotations

import re

_NAMES = frozenset(
    {
        *("gmail.com", "googlemail.com"),
        *("outlook.com", "outlook.com.br", "hotmail.com", "hotmail.com.br", "live.com", "msn.com"),
        *("aol.com", "icloud.com", "me.com", "mac.com"),
        *("proton.me", "protonmail.com", "pm.me", "fastmail.com", "fastmail.fm", "web.de"),
        *("uol.com.br", "bol.com.br", "terra.com.br", "ig.com.br"),
    }
)
_IN_MANY_COUNTRIES = re.compile(r"(?:yahoo|ymail|rocketmail|gmx|hotmail|outlook|live)\.(?:[a-z]{2,3}\.)?[a-z]{2,4}")


def checks_spf(domain: str) -> bool:
    """Whether *domain*, in lower case, is one where forwarded mail is known to be held to SPF."""
    return domain in _NAMES or _IN_MANY_COUNTRIES.fullmatch(domain) is not None
