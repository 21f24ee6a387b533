import socket

import pytest

from cli.doctor.forwarding import checks_spf
from tests.cli.doctor.conftest import Clinic

# They listen, or see that nobody does, on a port that is the same in every run.
pytestmark = pytest.mark.only("postsrsd")

MISSING = (
    "Forwarded mail comes from this server but keeps its author's address as its sender, so it fails {} SRS rewrites "
    "the sender to an address of this server: install postsrsd, see that it has runv.club as its own domain, and look "
    "here again for the settings of Postfix."
)


def test_without_srs_a_warning_says_in_two_sentences_what_will_bounce(clinic: Clinic) -> None:
    clinic.site.mail.write(sender_canonical_maps="")
    clinic.unit("postsrsd.service", load="not-found", active="inactive", enabled="")
    clinic.start(pablo="p@gmail.com", maria="m@Yahoo.com.BR", joana="j@gmail.com", ana="a@example.org")
    report = clinic.examine()
    assert (report.status, report.worse) == (0, {"srs"})
    message = MISSING.format(
        "the SPF check of gmail.com, yahoo.com.br (active aliases that lead there: 3), and some of it will bounce or "
        "be taken for spam."
    )
    assert report.one("srs") == ("warning", message, "apt-get install postsrsd")

    clinic.registry(ana="a@example.org")
    clinic.published(1)
    message = MISSING.format(
        "wherever SPF is checked, and some of it may bounce or be taken for spam (active aliases: 1, leading to "
        "example.org)."
    )
    assert clinic.examine().one("srs") == ("warning", message, "apt-get install postsrsd")


@pytest.mark.parametrize(
    ("version", "forward", "reverse"),
    [
        ("2.0.11-1", "socketmap:unix:srs:forward", "socketmap:unix:srs:reverse"),
        ("1.10-2.2", "tcp:127.0.0.1:10001", "tcp:127.0.0.1:10002"),
    ],
)
def test_a_postsrsd_that_postfix_does_not_ask_is_named_by_the_lines(
    clinic: Clinic, version: str, forward: str, reverse: str
) -> None:
    clinic.start(pablo="p@gmail.com")
    clinic.programs.make("dpkg-query", f"printf 'ii \\tpostsrsd\\t{version}\\n'")
    clinic.site.mail.write(sender_canonical_maps="static:x", recipient_canonical_maps="")
    report = clinic.examine()
    assert report.worse == {"srs"}
    severity, message, fix = report.one("srs")
    assert (severity, message.partition(",")[0]) == ("warning", "postsrsd runs")
    assert fix == (
        f"postconf -e 'recipient_canonical_maps = {reverse}' 'sender_canonical_maps = {forward}, static:x' "
        "'recipient_canonical_classes = envelope_recipient, header_recipient' "
        "'sender_canonical_classes = envelope_sender' && /bin/true"
    )
    clinic.paste(fix)
    message = f"Senders' addresses are rewritten on forwarding (SRS, {forward})."
    assert clinic.examine().one("srs") == ("ok", message, None)


def test_a_postsrsd_that_is_down_while_postfix_asks_it_is_a_problem(clinic: Clinic) -> None:
    clinic.start(pablo="p@example.org")
    clinic.unit("postsrsd.service", active="failed")
    assert clinic.examine().one("srs") == (
        "problem",
        "Postfix is told to have senders' addresses rewritten by socketmap:unix:srs:forward, but postsrsd is failed: "
        "until it runs, Postfix puts all mail off.",
        "systemctl enable --now postsrsd",
    )


def test_a_postsrsd_that_is_gone_while_postfix_asks_it_is_a_problem(clinic: Clinic) -> None:
    clinic.start(pablo="p@example.org")
    clinic.unit("postsrsd.service", load="not-found", active="inactive", enabled="")
    table = "tcp:127.0.0.1:10001"
    clinic.site.mail.write(sender_canonical_maps=table)
    with socket.socket() as path:
        # Taken, so that nothing else answers there meanwhile.
        path.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        path.bind(("127.0.0.1", 10001))
        assert clinic.examine().one("srs") == (
            "problem",
            f"Postfix is told to have senders' addresses rewritten by {table}, but nothing answers there (Connection "
            "refused): until something does, Postfix puts all mail off.",
            "apt-get install postsrsd",
        )
        path.listen()
        # Something else than postsrsd may do that as well.
        assert clinic.examine().one("srs")[0] == "ok"


def test_which_providers_are_known_to_check() -> None:
    known = ("gmail.com", "outlook.com", "yahoo.co.uk", "gmx.de", "gmx.net", "icloud.com", "uol.com.br", "hotmail.fr")
    assert all(map(checks_spf, known))
    assert not any(map(checks_spf, ("example.org", "notgmail.com", "yahoo.example.org", "gmail.com.example.org")))
