"""The fingerprint of a file's contents."""

from __future__ import annotations


def sha256(data: bytes) -> str:
    """The SHA-256 (FIPS 180-4) of *data*, in hexadecimal."""
    # Imported late: hashlib loads OpenSSL, which most runs of the commands can do without.
    import hashlib  # noqa: PLC0415

    return hashlib.sha256(data).hexdigest()
