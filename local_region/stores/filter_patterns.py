"""CloudWatch Logs' filter patterns, as far as the region reads them: everything, words and phrases, or one comparison
of a JSON field. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Matches = Callable[[str], bool]

_JSON = re.compile(
    r'\{\s*\$\.(?P<path>[A-Za-z_][\w.]*)\s*(?P<sign>=|!=)\s*(?:"(?P<text>[^"*\\]*)"|(?P<number>-?\d+(?:\.\d+)?))\s*\}'
)
_TERM = re.compile(r'\s*(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[A-Za-z0-9_]+))(?=\s|\Z)')


class UnknownPattern(ValueError):
    """The region doesn't read this pattern; it would rather refuse it than pass too much or too little."""


def compiled(pattern: str) -> Matches:
    """What an event's message must be like. Raises `UnknownPattern`.

    >>> compiled('{ $.log = "prediction" }')('{"log": "prediction"}')
    True
    >>> compiled('ERROR "no such"')("ERROR: no such file")
    True
    """
    text = pattern.strip()
    if not text:
        return lambda _message: True
    match = _JSON.fullmatch(text)
    if match is not None:
        return _comparison(match)
    terms: list[str] = []
    place = 0
    while place < len(text):
        term = _TERM.match(text, place)
        if term is None:
            raise UnknownPattern(
                f'the filter pattern {pattern!r}; the region reads words, "phrases", and {{ $.field = "text" }}'
            )
        phrase = term["phrase"]
        terms.append(re.sub(r"\\(.)", r"\1", phrase) if phrase is not None else term["word"])
        place = term.end()
    return lambda message: all(term in message for term in terms)


def _comparison(match: re.Match[str]) -> Matches:
    path, equal = match["path"].split("."), match["sign"] == "="
    wanted: Any = match["text"] if match["number"] is None else float(match["number"])

    def matches(message: str) -> bool:
        try:
            value = json.loads(message)
        except ValueError:
            return False  # an event that is no JSON matches no pattern of fields
        for name in path:
            if not isinstance(value, dict) or name not in value:
                return False
            value = value[name]
        if isinstance(value, bool) or isinstance(value, str) != isinstance(wanted, str):
            return False
        return bool(value == wanted) == equal

    return matches
