"""One key of the config is changed, and every other character stays."""

import json

import pytest

from cli.setup.config import with_key


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{\n  "enabled": true\n}'),
        ("{ }\n", '{\n  "enabled": true\n}\n'),
        ('{"enabled": false}', '{"enabled": true}'),
        ('{"domain": "a.b",  "enabled":false , "x": 1}\n', '{"domain": "a.b",  "enabled":true , "x": 1}\n'),
        ('{"domain": "a.b"}', '{"domain": "a.b", "enabled": true}'),
        ('{"a": 1, "domain": "a.b"}', '{"a": 1, "domain": "a.b", "enabled": true}'),
        ('{\n\t"domain": "a.b"\r\n}\n', '{\n\t"domain": "a.b",\n\t"enabled": true\r\n}\n'),
        (
            '{\n  "a": ["}", {"enabled": 1}],\n  "b": "\\"x"\n}',
            '{\n  "a": ["}", {"enabled": 1}],\n  "b": "\\"x",\n  "enabled": true\n}',
        ),
        ('{"a": "\\"enabled\\": false", "enabled": 0}', '{"a": "\\"enabled\\": false", "enabled": true}'),
    ],
)
def test_only_the_value_of_the_key_is_another_afterwards(before: str, after: str) -> None:
    assert with_key(before, "enabled", True) == after
    assert json.loads(after) == json.loads(before) | {"enabled": True}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{\n  "sql": {\n    "a": {\n      "b": 1\n    }\n  }\n}'),
        ('{\n  "x": 1\n}\n', '{\n  "x": 1,\n  "sql": {\n    "a": {\n      "b": 1\n    }\n  }\n}\n'),
        ('{"x": 1}\n', '{"x": 1, "sql": {"a": {"b": 1}}}\n'),
        ('{\n  "sql": {"c": 1},\n  "x": 1\n}', '{\n  "sql": {\n    "a": {\n      "b": 1\n    }\n  },\n  "x": 1\n}'),
    ],
)
def test_a_block_is_laid_out_as_the_rest_is(before: str, after: str) -> None:
    assert with_key(before, "sql", {"a": {"b": 1}}) == after


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a" 1}', '{"a": 1 "b": 2}', '{"a": }'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|Expecting"):
        with_key(text, "enabled", True)
