from __future__ import annotations

import pytest

from local_region.stores.filter_patterns import UnknownPattern, compiled


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR timeout", "timeout after ERROR", True),
        ("ERROR timeout", "ERROR alone", False),
        ('"no such file"', "open: no such file", True),
        ('"no such file"', "no file such", False),
        (r'"say \"hi\""', 'they say "hi"', True),
        ('{ $.log = "prediction" }', '{"log": "prediction", "n": 1}', True),
        ('{ $.log = "prediction" }', '{"log": "feedback"}', False),
        ('{ $.log = "prediction" }', '{"other": 1}', False),
        ('{ $.log = "prediction" }', "prediction", False),
        ('{ $.log = "prediction" }', '["prediction"]', False),
        ('{$.a.b != "x"}', '{"a": {"b": "y"}}', True),
        ('{$.a.b != "x"}', '{"a": "y"}', False),
        ("{ $.status = 500 }", '{"status": 500}', True),
        ("{ $.status = 500 }", '{"status": "500"}', False),
        ("{ $.status = 1 }", '{"status": true}', False),
    ],
)
def test_what_matches(pattern: str, message: str, matches: bool) -> None:
    assert compiled(pattern)(message) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "?ERROR ?WARN",
        "-ERROR",
        "%re%",
        "[ip, user]",
        "{ $.a > 1 }",
        '{ $.a = "x*" }',
        '{ ($.a = "x") && ($.b = "y") }',
        "{ $.a[0] = 1 }",
        '"open',
        'a"b',
    ],
)
def test_what_is_not_read_is_refused(pattern: str) -> None:
    with pytest.raises(UnknownPattern, match="filter pattern"):
        compiled(pattern)
