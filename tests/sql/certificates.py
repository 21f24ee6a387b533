"""An authority of the tests' own, and the certificates that it signs: RFC 5280, by openssl(1)."""

import shutil
import subprocess
from pathlib import Path

from ..support.mailconfig import PATH

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


class Authority:
    """One that vouches for whatever it is asked to; its files are in *directory*.

    Attributes:
        certificate: who believes in it believes whom it vouches for.
    """

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "authority.pem"
        self._key = directory / "authority.key"
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _openssl("req", "-x509", *_NEW_KEY, *usage, "-subj", "/CN=authority", *self._files(self.certificate, self._key))

    def vouch(self, directory: Path, name: str, *, address: str = "", account: str = "root") -> tuple[Path, Path]:
        """A certificate for *name*, which has *address*, and its key, for *account* alone, in *directory*."""
        certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
        signed = ("-CA", str(self.certificate), "-CAkey", str(self._key))
        of = ("-addext", f"subjectAltName=IP:{address}") if address else ()
        usage = ("-addext", "basicConstraints=critical,CA:FALSE")
        _openssl(
            "req", "-x509", *_NEW_KEY, *signed, *usage, *of, "-subj", f"/CN={name}", *self._files(certificate, key)
        )
        for path in (certificate, key):
            shutil.chown(path, account)
        return certificate, key

    def copied(self, directory: Path) -> Path:
        """A copy of its certificate in *directory*, for everybody to read."""
        copy = directory / "believed.pem"
        shutil.copyfile(self.certificate, copy)
        copy.chmod(0o644)
        return copy

    @staticmethod
    def _files(certificate: Path, key: Path) -> tuple[str, ...]:
        return ("-out", str(certificate), "-keyout", str(key))


def _openssl(*arguments: str) -> None:
    subprocess.run(["/usr/bin/openssl", *arguments], check=True, capture_output=True, timeout=30, env={"PATH": PATH})
