"""Files of parameters as Postfix reads them: `name = value`, the form of main.cf(5) and of every map in a database."""

from __future__ import annotations

# Of ASCII alone: what Unicode calls white space besides is text to Postfix.
_BLANKS = b" \t\v\f\r"


class ParametersError(ValueError):
    """The file breaks the form; the message says at which line, and repeats nothing of it, as it may be a password."""


def parse_parameters(data: bytes) -> dict[str, str]:
    """The parameters of *data* by name: see postconf(5), which describes the form of main.cf.

    A line that begins with white space goes on with the one before it, also across empty lines and comments; a `#` is a
    comment only where nothing but white space stands before it; of two definitions the later holds. Unlike in main.cf,
    `$name` stands for itself. Octets that are not UTF-8 come in the form of `os.fsdecode`.

    Raises:
        ParametersError: a line has no name or no `=`, or the file holds a NUL byte.
    """
    found: dict[str, str] = {}
    for number, line in _logical_lines(data):
        name, equals, value = line.partition(b"=")
        name = name.strip(_BLANKS)
        if not name or not equals or any(blank in name for blank in _BLANKS):
            raise ParametersError(f"line {number} is not of the form `name = value`")
        if b"\0" in line:
            raise ParametersError(f"line {number} holds a NUL octet")
        found[_text(name)] = _text(value.strip(_BLANKS))
    return found


def _logical_lines(data: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, list[bytes]]] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        bare = line.lstrip(_BLANKS)
        if not bare or bare.startswith(b"#"):
            continue
        if bare == line:
            found.append((number, [line]))
        elif found:
            found[-1][1].append(line)
        # Postfix only warns of one that goes on with nothing, and leaves it out.
    return [(number, b"".join(parts)) for number, parts in found]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
