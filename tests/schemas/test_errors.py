"""What an error says, as the end of a sentence."""

import pytest

from schemas.errors import StateError, error_text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(13, "Permission denied"), "Permission denied"),
        (OSError(13, "Permission denied", "/srv/ask.json"), "Permission denied (/srv/ask.json)"),
        (
            OSError(1, "Operation not permitted", "a\n<3>forged\x1b[2J\u202e"),
            r"Operation not permitted (a\n<3>forged\x1b[2J\u202e)",
        ),
        (OSError(1, "Operation not permitted", b"caf\xe9\x9b"), r"Operation not permitted (caf\xe9\x9b)"),
        (OSError(9, "Bad file descriptor", 7), "Bad file descriptor"),
        (StateError(r"The file a\x1b cannot be read."), r"The file a\x1b cannot be read"),
        (StateError("The file a\x1b\n cannot be read."), r"The file a\x1b\n cannot be read"),
    ],
)
def test_it_is_one_line_that_can_be_shown(error: Exception, said: str) -> None:
    assert error_text(error) == said
