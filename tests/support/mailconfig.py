"""A Postfix configuration directory of our own, enough for postmap and postconf even while no Postfix runs."""

import os
import subprocess
from pathlib import Path

# The host's own directories and nothing of its user's: Debian keeps postmap and postconf in /usr/sbin.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class MailConfig:
    """main.cf in *directory*; every program that is started with `environment` reads it instead of the host's.

    *maps* is what `virtual_alias_maps` names, such as `hash:/srv/members`; *domain* is the alias domain. The rest
    keeps a Postfix that may be started on it to this machine: loopback, no DNS, no local accounts, all other mail
    refused or handed to the relay.
    """

    def __init__(self, directory: Path, *, maps: str, domain: str = "runv.club") -> None:
        self.directory = directory
        self.settings = {
            "compatibility_level": "3.6",
            "queue_directory": str(directory / "queue"),
            "data_directory": str(directory / "data"),
            "maillog_file": str(directory / "log" / "mail.log"),
            "maillog_file_prefixes": str(directory),
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "myhostname": f"mail.{domain}",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "virtual_alias_domains": domain,
            "virtual_alias_maps": maps,
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "smtp_dns_support_level": "disabled",
            "smtpd_peername_lookup": "no",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            # Tests burst; a server would rather slow its senders down.
            "in_flow_delay": "0",
        }
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.write()
        # postconf warns where there is none, and a warning is a failure to who asks postconf.
        self.write_services("")

    @property
    def path(self) -> Path:
        """The file main.cf."""
        return self.directory / "main.cf"

    def write(self, **settings: str) -> None:
        """Change *settings* and replace main.cf by rename; a running Postfix reads it at its next reload."""
        self.settings |= settings
        self._replace("main.cf", "".join(f"{key} = {value}\n" for key, value in self.settings.items()))

    def write_services(self, text: str) -> None:
        """Replace master.cf, in which a running Postfix finds what to run."""
        self._replace("master.cf", text)

    def environment(self) -> dict[str, str]:
        """What a process must be started with to find this configuration."""
        return {"MAIL_CONFIG": str(self.directory)}

    def run(self, *command: str, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002
        """Run one of Postfix's commands (postmap, postconf) on this configuration."""
        return subprocess.run(
            command,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8"} | self.environment(),
            cwd="/",
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def lookup(self, table: str, key: str) -> str | None:
        """Ask *table* (`hash:/srv/members`) for *key*; raises AssertionError if the table cannot be asked."""
        done = self.run("postmap", "-q", key, table)
        if done.returncode not in {0, 1} or done.stderr:
            raise AssertionError(f"postmap -q {key} {table} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout.rstrip("\n") if done.returncode == 0 else None

    def _replace(self, name: str, text: str) -> None:
        temporary = self.directory / f".{name}.tmp"
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(0o644)
        # Every Postfix program waits until main.cf has been left alone for two seconds; it can be told that it was.
        past = temporary.stat().st_mtime - 60
        os.utime(temporary, (past, past))
        temporary.rename(self.directory / name)
