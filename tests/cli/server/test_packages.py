import pytest

from cli.server import packages
from tests.support.programs import Programs
from watcher.publish.commands import CommandError


def test_what_is_installed_is_told_with_its_version_though_a_pattern_matches_nothing(programs: Programs) -> None:
    programs.make(
        "dpkg-query",
        r"""printf 'ii \tpostfix\t3.10.13-0+deb13u1\nhi \tdovecot-core\t1:2.4\niW \tman-db\t2.13\n'
        printf 'rc \tpostsrsd\t2.0\nun \trspamd\t\niU \tclamav\t1.4\n'
        echo 'dpkg-query: no packages found matching nosuch*' >&2; exit 1""",
    )
    found = packages.installed(["postfix", "dovecot-*", "nosuch*"])
    # A package on hold is installed; one whose configuration alone is left, or that was only unpacked, is not.
    assert found == {"postfix": "3.10.13-0+deb13u1", "dovecot-core": "1:2.4", "man-db": "2.13"}
    assert programs.asked("dpkg-query")[-1].endswith("postfix dovecot-* nosuch*")


def test_a_database_that_cannot_be_read_is_told(programs: Programs) -> None:
    programs.make("dpkg-query", "echo 'dpkg-query: error: failed to open package info file' >&2; exit 2")
    with pytest.raises(CommandError, match="failed with exit status 2: dpkg-query: error: failed to open package info"):
        packages.installed(["postfix"])
