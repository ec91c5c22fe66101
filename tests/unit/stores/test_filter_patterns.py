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
        ("?ERROR ?WARN", "WARN: late", True),
        ("?ERROR ?WARN", "INFO: in time", False),
        ("ERROR -timeout", "ERROR: timeout", False),
        ('ERROR -"no such"', "ERROR: timeout", True),
        ("-ERROR", "fine", True),
        ("{ $.a > 1 }", '{"a": 1.5}', True),
        ("{ $.a >= 2e1 }", '{"a": 19}', False),
        ("{ $.a > 1 }", '{"a": "2"}', False),
        ('{ $.a = "x*" }', '{"a": "xyz"}', True),
        ('{ $.a = "x*" }', '{"a": "y"}', False),
        ('{ $.a = "[x]?" }', '{"a": "[x]?"}', True),
        ("{ $.a = x* }", '{"a": "xyz"}', True),
        ('{ ($.a = "x") && ($.b = "y") }', '{"a": "x", "b": "y"}', True),
        ('{ $.a = "n" && $.b = "y" || $.c = 1 }', '{"c": 1}', True),
        ('{ $.a = "n" && ($.b = "y" || $.c = 1) }', '{"c": 1}', False),
        ("{ $.a[1].b = 1 }", '{"a": [{}, {"b": 1}]}', True),
        ("{ $.a[1].b = 1 }", '{"a": [{"b": 1}]}', False),
        ("{ $.a IS NULL }", '{"a": null}', True),
        ("{ $.a IS NULL }", "{}", False),
        ("{ $.a IS TRUE }", '{"a": 1}', False),
        ("{ $.a NOT EXISTS }", "{}", True),
        ("{ $.a NOT EXISTS }", '{"a": null}', False),
    ],
)
def test_what_matches(pattern: str, message: str, matches: bool) -> None:
    assert compiled(pattern)(message) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "ERROR ?WARN",
        "%re%",
        "[ip, user]",
        "{ $.a = %re% }",
        '{ $.a > "x" }',
        "{ $.a = 1 && }",
        "{ ($.a = 1 }",
        "{ $.a IS 1 }",
        "{ $.a }",
        "{ }",
        '"open',
        'a"b',
    ],
)
def test_what_is_not_read_is_refused(pattern: str) -> None:
    with pytest.raises(UnknownPattern, match="filter pattern"):
        compiled(pattern)
