"""What the guide for a first mail server says is typed as it stands there, and mail is forwarded."""

import re
from pathlib import Path

from .conftest import Packages
from .server import DOMAIN, Server

_PAGE = Path(__file__).parents[2] / "docs/from-nothing-to-forwarded-mail.md"
_TYPED = re.compile(r"^    (#|pablo\$) (.+)$", re.MULTILINE)


def test_the_commands_of_the_guide_lead_to_mail_that_is_forwarded(server: Server, packages: Packages) -> None:
    # What the guide builds, fetches and chooses at a prompt is there already; the network outside is not.
    server.put(f"/srv/dist/{packages.present.name}", packages.present.read_bytes())
    server.run("systemctl", "disable", "--now", "postsrsd")
    typed = _TYPED.findall(_PAGE.read_text(encoding="utf-8"))
    assert len(typed) > 20
    said = {}
    for who, command in typed:
        done = server.run(
            *("sh", "-c", f"cd /srv && {command}"), user="pablo" if who == "pablo$" else None, given="y\n", timeout=120
        )
        said[command] = done.stdout + done.stderr

    assert "pablo@example.org" in said["runv-admin-email-alias pending"]
    assert said["runv-admin-email-alias doctor"].endswith("All is well.\n")
    message = server.arrives(f"pablo@{DOMAIN}", "pablo@example.org")
    assert re.fullmatch(rf"SRS0=.*=elsewhere\.example=friend@{re.escape(DOMAIN)}", message["sender"])
    server.arrives(message["sender"], "friend@elsewhere.example")
    server.arrives(f"postmaster@{DOMAIN}", "you@example.org")
    assert "User unknown" in server.send(f"nobody@{DOMAIN}")
