"""Files of parameters are read as Postfix reads them, and what they hold is never shown."""

import pytest

from watcher.publish.sql.map_file import ParametersError, parse_parameters


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", {}),
        (b"a = 1\nb=2\n", {"a": "1", "b": "2"}),
        (b"a = 1", {"a": "1"}),
        (b"a =\t 1 \r\nb = 2\r\n", {"a": "1", "b": "2"}),
        (b"a = \n", {"a": ""}),
        (b"a = 1\na = 2\n", {"a": "2"}),
        (b"a = one\n two\n\tthree\n", {"a": "one two\tthree"}),
        (b"a = one\n\n# no\n   # nor this\n two\nb = 1\n", {"a": "one two", "b": "1"}),
        (b"  lost\n  too\na = 1\n", {"a": "1"}),
        (b"# a = 1\n #b = 2\n", {}),
        (b"password = a = b # c 'd' \"e\" $f\n", {"password": "a = b # c 'd' \"e\" $f"}),
        (b"password = \xe9\xff\n", {"password": "\udce9\udcff"}),
        ("password = ção\u00a0\n".encode(), {"password": "ção\u00a0"}),
    ],
)
def test_the_form_of_main_cf_is_understood(data: bytes, found: dict[str, str]) -> None:
    assert parse_parameters(data) == found


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a = 1\n\nhunter2\n", 3),
        (b"= hunter2\n", 1),
        (b"pass word = hunter2\n", 1),
        (b"# no\nhunter2\n more\n", 2),
    ],
)
def test_a_line_of_no_form_is_told_by_its_number_and_not_shown(data: bytes, line: int) -> None:
    with pytest.raises(ParametersError) as refusal:
        parse_parameters(data)
    assert str(refusal.value) == f"line {line} is not of the form `name = value`"


def test_a_nul_octet_is_refused() -> None:
    with pytest.raises(ParametersError, match=r"^line 2 holds a NUL octet$"):
        parse_parameters(b"a = 1\npassword = hunter2\0\n")
