"""The demo holds, for root with a delivery and for an ordinary user without, and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.install import CHECKOUT, Installation
from tests.support.ordinary import as_ordinary_user

# It looks for what is left in /tmp, where another run would leave the same for a moment.
pytestmark = [pytest.mark.needs("accounts", "postfix", "postfix-hash"), pytest.mark.only("demo")]


def _left_behind() -> set[str]:
    return {path.name for path in Path("/tmp").glob("runv-demo-*")}


@pytest.mark.needs("root")
def test_root_sees_mail_arrive() -> None:
    before = _left_behind()
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo"], cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "A message sent by SMTP to marina@runv.club arrived at marina@example.org." in done.stdout
    assert done.stdout.endswith("Every step held. Nothing of this is left behind.\n")
    assert _left_behind() == before


def test_an_ordinary_user_sees_the_map_answer(open_checkout: Installation) -> None:
    before = _left_behind()
    done = as_ordinary_user([str(open_checkout.python), "-m", "tests.demo"])

    assert (done.returncode, done.stderr) == (0, "")
    assert "postmap -q marina@runv.club answers marina@example.org." in done.stdout
    assert done.stdout.endswith("Every step held. Nothing of this is left behind.\n")
    assert os.geteuid() != 0 or "arrived at" not in done.stdout
    assert _left_behind() == before
