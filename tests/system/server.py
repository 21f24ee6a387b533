"""A mail server for members: a machine with Postfix, accounts, and an outside world that mail can leave for."""

import json
from pathlib import Path
from typing import Any

from .machine import Done, Machine

OPERATOR = "pmurad-admin"
DOMAIN = "runv.club"

_OUTSIDE = """\
[Service]
Type=notify
ExecStart=/usr/bin/python3 /srv/outside.py
[Install]
WantedBy=multi-user.target
"""
_SEND = """\
import smtplib, sys
with smtplib.SMTP("127.0.0.1", 25, timeout=20) as server:
    try:
        server.sendmail("friend@elsewhere.example", [sys.argv[1]], "Subject: hello\\r\\n\\r\\nHello.\\r\\n")
    except smtplib.SMTPRecipientsRefused as refused:
        (code, text), = refused.recipients.values()
        print(code, text.decode())
"""


class Server(Machine):
    """A Debian 13 mail server as its administrator has it before our package comes: Postfix runs, members log in."""

    def __init__(self, tree: Path) -> None:
        super().__init__(tree)
        self.put("/srv/outside.py", Path(__file__).with_name("outside.py").read_bytes())
        self.put("/etc/systemd/system/outside.service", _OUTSIDE)
        self.put("/etc/sudoers.d/operator", f"{OPERATOR} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
        self.put("/etc/hostname", "mail\n")
        self.put("/etc/hosts", "127.0.0.1 localhost mail.runv.example mail\n")

    def prepare(self) -> None:
        """Switch it on, and let Postfix take mail for nobody yet, and send what leaves to the outside world."""
        self.boot()
        self.run("useradd", "--create-home", OPERATOR)
        settings = ("inet_protocols=ipv4", "myhostname=mail.runv.example", "relayhost=[127.0.0.1]:2525")
        # Debian's answer to "Local only" is that nothing may leave.
        self.run("postconf", "-e", *settings, "default_transport=smtp", "relay_transport=relay")
        self.run("systemctl", "enable", "--now", "outside.service")
        self.run("systemctl", "restart", "postfix.service")

    # People

    def join(self, *names: str, group: str = "runv-members", uid: int | None = None) -> None:
        """Make an account for each of *names*, which is a member."""
        number = ("--uid", str(uid)) if uid else ()
        for name in names:
            self.run("useradd", "--create-home", "--groups", group, *number, name)

    def member(self, name: str, *arguments: str, status: int | None = 0) -> str:
        """Run the member's command as *name*; give all that it says."""
        done = self.run("runv-email-alias", *arguments, user=name, status=status)
        return done.stdout + done.stderr

    def admin(self, *arguments: str, given: str | None = None, status: int | None = 0) -> str:
        """Run the administrator's command as the operator does, by sudo; give all that it says."""
        done = self.run("sudo", "runv-admin-email-alias", *arguments, user=OPERATOR, given=given, status=status)
        return done.stdout + done.stderr

    def asked(self, *arguments: str) -> Any:
        """Give what the administrator's command prints as JSON, whatever it ends with."""
        done: Done = self.run("sudo", "runv-admin-email-alias", *arguments, "--json", user=OPERATOR, status=None)
        return json.loads(done.stdout)

    def registry(self) -> dict[str, dict[str, Any]]:
        """Give the registry."""
        found: dict[str, dict[str, Any]] = json.loads(self.read("/var/lib/runv/email-aliases.json"))
        return found

    def problems(self) -> list[str]:
        """Give what the watcher's status complains of."""
        status = json.loads(self.run("cat", "/run/runv-email-alias/status.json").stdout)
        return [problem["what"] for problem in status["problems"]]

    # The package

    def install(self, package: Path) -> None:
        """Install it, as an administrator does who has the file."""
        self.put(f"/srv/{package.name}", package.read_bytes())
        self.run("apt-get", "install", "-qq", "-y", f"/srv/{package.name}", timeout=120)

    # Mail

    def send(self, recipient: str) -> str:
        """Send a message from elsewhere to *recipient*; give Postfix's refusal, or nothing where it was taken."""
        return self.run("python3", "-c", _SEND, recipient).stdout.strip()

    def mail_for(self, recipient: str) -> list[dict[str, Any]]:
        """Give the messages that have left for exactly this address."""
        kept = sorted((self.disk / "var/lib/outside").glob("[0-9]*.json"))
        messages = [json.loads(each.read_text()) for each in kept]
        return [message for message in messages if recipient in message["recipients"]]

    def arrives(self, alias: str, destination: str) -> dict[str, Any]:
        """Send a message to *alias*, await it at *destination*, and give it."""
        before = len(self.mail_for(destination))
        refusal = self.send(alias)
        assert refusal == "", f"{alias}: {refusal}"
        try:
            self.wait_for(lambda: len(self.mail_for(destination)) > before, f"mail for {destination}")
        except AssertionError as error:
            found = self.sh("journalctl --no-pager --lines=30 --unit=postfix")
            raise AssertionError(f"{alias}: no mail came to {destination}\n{found}") from error
        return self.mail_for(destination)[-1]

    # The service

    def main_pid(self) -> int:
        """Give the process id of the watcher, on the machine."""
        return int(self.sh("systemctl show --property=MainPID --value runv-email-alias-watcher.service"))

    def postfix_side(self) -> str:
        """Give all that could be changed of Postfix."""
        return self.sh("postconf -n; find /etc/postfix -type f | sort | xargs sha256sum; cat /etc/aliases")
