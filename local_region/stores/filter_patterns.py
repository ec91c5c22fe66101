"""CloudWatch Logs' filter patterns: words and phrases, and comparisons of a JSON event's fields. Pure.

Not read, and refused: patterns of columns (``[ip, user]``) and regular expressions (``%…%``).

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from fnmatch import translate
from typing import Any

Matches = Callable[[str], bool]
#: of an event's JSON
_Test = Callable[[Any], bool]

_TERM = re.compile(r'\s*(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[A-Za-z0-9_]+))(?=\s|\Z)')
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<sign>&&|\|\||!=|<=|>=|=|<|>|\(|\))
      | (?P<path>\$(?:\.[A-Za-z_][\w-]*|\[\d+\])+)
      | "(?P<text>(?:[^"\\]|\\.)*)"
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=[\s)&|]|\Z)
      | (?P<word>[\w.*/:-]+)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]")
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False}
_ABSENT = object()


class UnknownPattern(ValueError):
    """The region doesn't read this pattern; it would rather refuse it than pass too much or too little."""


def compiled(pattern: str) -> Matches:
    """What an event's message must be like. Raises `UnknownPattern`.

    >>> compiled('{ $.log = "pred*" && $.n > 3 }')('{"log": "prediction", "n": 4}')
    True
    >>> compiled('ERROR -"no such"')("ERROR: no such file"), compiled("?ERROR ?WARN")("WARN: late")
    (False, True)
    """
    text = pattern.strip()
    if not text:
        return lambda _message: True
    if text.startswith("{") and text.endswith("}"):
        return _of_json(_Fields(text[1:-1], pattern).read())
    return _terms(text, pattern)


def _unknown(pattern: str) -> UnknownPattern:
    return UnknownPattern(
        f'the filter pattern {pattern!r}; the region reads words, "phrases", -words, all or ?any ?of ?them, and '
        "comparisons of fields, { $.field = 1 && $.other NOT EXISTS }"
    )


def _terms(text: str, pattern: str) -> Matches:
    found: dict[str, list[str]] = {"": [], "-": [], "?": []}
    place = 0
    while place < len(text):
        term = _TERM.match(text, place)
        if term is None:
            raise _unknown(pattern)
        phrase = term["phrase"]
        found[term["sign"]].append(_unescaped(phrase) if phrase is not None else term["word"])
        place = term.end()
    every, none, some = found[""], found["-"], found["?"]
    if some:
        if every or none:
            raise _unknown(pattern)  # CloudWatch Logs ignores the question marks then, which nobody means
        return lambda message: any(term in message for term in some)
    return lambda message: all(term in message for term in every) and not any(term in message for term in none)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _of_json(test: _Test) -> Matches:
    def matches(message: str) -> bool:
        try:
            return test(json.loads(message))
        except ValueError:
            return False  # an event that is no JSON matches no pattern of fields

    return matches


class _Fields:
    """Reads what stands between the braces: ``&&`` binds more than ``||``."""

    def __init__(self, text: str, pattern: str) -> None:
        self._pattern = pattern
        self._tokens: list[tuple[str, str]] = []
        place, text = 0, text.rstrip()
        while place < len(text):
            token = _TOKEN.match(text, place)
            if token is None or token.lastgroup is None:
                raise _unknown(pattern)
            self._tokens.append((token.lastgroup, token[token.lastgroup]))
            place = token.end()

    def read(self) -> _Test:
        test = self._any()
        if self._tokens:
            raise _unknown(self._pattern)
        return test

    def _next(self, *kinds: str) -> tuple[str, str]:
        if not self._tokens or self._tokens[0][0] not in kinds:
            raise _unknown(self._pattern)
        return self._tokens.pop(0)

    def _taken(self, sign: str) -> bool:
        if self._tokens and self._tokens[0] == ("sign", sign):
            self._tokens.pop(0)
            return True
        return False

    def _any(self) -> _Test:
        tests = [self._all()]
        while self._taken("||"):
            tests.append(self._all())
        return lambda event: any(test(event) for test in tests)

    def _all(self) -> _Test:
        tests = [self._one()]
        while self._taken("&&"):
            tests.append(self._one())
        return lambda event: all(test(event) for test in tests)

    def _one(self) -> _Test:
        if self._taken("("):
            test = self._any()
            if not self._taken(")"):
                raise _unknown(self._pattern)
            return test
        path = self._next("path")[1]
        kind, sign = self._next("sign", "word")
        if kind == "word":
            return self._state(path, sign)
        if sign not in _ORDERED:
            raise _unknown(self._pattern)
        kind, value = self._next("text", "number", "word")
        if kind == "number":
            return _compared(path, sign, float(value))
        if sign not in {"=", "!="}:
            raise _unknown(self._pattern)  # texts have no order
        return _like(path, sign == "=", _unescaped(value) if kind == "text" else value)

    def _state(self, path: str, word: str) -> _Test:
        if word == "NOT" and self._next("word")[1] == "EXISTS":
            return lambda event: _value(event, path) is _ABSENT
        if word == "EXISTS":
            return lambda event: _value(event, path) is not _ABSENT
        wanted = self._next("word")[1] if word == "IS" else ""
        if wanted not in _CONSTANTS:
            raise _unknown(self._pattern)
        return lambda event: _value(event, path) is _CONSTANTS[wanted]


def _value(event: Any, path: str) -> Any:
    for name, number in _STEP.findall(path):
        if number:
            if not isinstance(event, list) or int(number) >= len(event):
                return _ABSENT
            event = event[int(number)]
        elif isinstance(event, dict) and name in event:
            event = event[name]
        else:
            return _ABSENT
    return event


def _compared(path: str, sign: str, wanted: float) -> _Test:
    def test(event: Any) -> bool:
        value = _value(event, path)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and _ORDERED[sign](value, wanted)

    return test


def _like(path: str, equal: bool, wanted: str) -> _Test:
    """A ``*`` stands for any text."""
    parts = "*".join(re.sub(r"([?\[])", r"[\1]", part) for part in wanted.split("*"))
    expression = re.compile(translate(parts))

    def test(event: Any) -> bool:
        value = _value(event, path)
        return isinstance(value, str) and bool(expression.match(value)) == equal

    return test
