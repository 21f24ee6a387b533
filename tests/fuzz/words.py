"""What stands in the documents: words that bytes come upon seldom, for libFuzzer to put in."""

from pathlib import Path

from schemas.config import Config
from schemas.decision import Decision, FailedDecision
from schemas.queue_file import QueueFile
from schemas.registry import Entry
from schemas.request import FOLDERS, RequestRecord
from schemas.status import Problem, Published, Status

_KINDS = (Config, Decision, FailedDecision, QueueFile, Entry, RequestRecord, Problem, Published, Status)

_WORDS = (
    *('":"', '","', '":{"', "{}", "[]", "true", "false", "null", "NaN", "1e9", "-0", "\\u0061", "\\ud800", "\\n"),
    *("@example.org", "@runv.club", "xn--", ".internal", "localhost", "active", "approve", "sync", "request", "cancel"),
    *("SELECT", "FROM", "WHERE", "AND", "NOT", "IS", "LIMIT", "LOWER(", "'%s'", "'%u@%d'", "'%d'", "unix:", "inet:"),
    *("hosts", "password", "dbname", "dbpath", "query", "table", "select_field", "where_field", "postgresql://"),
    *("\u202e", "\u2028", "\x9b", "\uff0e", "\u3002", "ß", "ﬃ"),
)


def write_words(path: Path) -> None:
    """Write them as libFuzzer reads them."""
    words = {*_WORDS, *FOLDERS, *(name for kind in _KINDS for name in kind.__struct_fields__)}
    escaped = ("".join(f"\\x{octet:02x}" for octet in word.encode()) for word in sorted(words))
    path.write_text("".join(f'"{word}"\n' for word in escaped))
