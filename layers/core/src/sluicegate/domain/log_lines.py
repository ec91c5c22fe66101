"""Structured lines of a function's log that are data for another function, within what CloudWatch Logs takes.

A line is one JSON object whose ``log`` says what it is; a subscription filter chooses by it. What is long goes deflated
in base64, under ``z``: it is cheaper to keep, and an event has at most 256 KB ("CloudWatch Logs quotas"; Lambda cuts a
longer line in two).
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PREDICTION = "prediction"
FEEDBACK = "feedback"
#: characters of a line's content, with room for the rest of the line
LARGEST_MEMBER = 240_000
#: JSON beyond this is deflated
PLAIN = 8_192
#: bytes that a line may hold inflated: nobody else writes this log, but a log is no place to trust
LARGEST_CONTENT = 16 * 1024 * 1024


def line(kind: str, head: Mapping[str, Any], member: str = "") -> str:
    """One line: what ``head`` says, and a member as `packed` makes it."""
    return f'{{"log":"{kind}",{dumped(head)[1:-1]}{"," if member else ""}{member}}}'


def packed(content: Mapping[str, Any]) -> str | None:
    """``content`` as a member of a line; None when it is too long for one even when it is deflated."""
    text = dumped(content)
    if len(text) <= PLAIN:
        return f'"content":{text}'
    deflated = base64.b64encode(zlib.compress(text.encode(), 1)).decode()
    return f'"z":"{deflated}"' if len(deflated) <= LARGEST_MEMBER else None


def chunks(columns: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, int]]:
    """Columns of equal length as members of as many lines as they need, in order, each with its number of entries. An
    entry that is too long for a line of its own is left out: its member is "".

    >>> list(chunks({"a": [1, 2]}))
    [('"content":{"a":[1,2]}', 2)]
    """
    count = len(next(iter(columns.values())))
    whole = packed(columns)
    if whole is not None or count <= 1:
        yield whole or "", count
        return
    middle = count // 2
    for part in (slice(None, middle), slice(middle, None)):
        yield from chunks({name: values[part] for name, values in columns.items()})


def read(message: str) -> dict[str, Any] | None:
    """The object that a line holds, with its ``content`` ({} when it has none); None for a line that is none of ours.

    >>> read(line("x", {"n": 1}, packed({"a": ["b" * 9000]})))["content"]["a"][0][:3]
    'bbb'
    """
    if not message.lstrip().startswith('{"log":'):
        return None
    try:
        found = json.loads(message)
        if isinstance(found, dict) and "z" in found:
            inflated = zlib.decompressobj()
            text = inflated.decompress(base64.b64decode(found.pop("z"), validate=True), LARGEST_CONTENT)
            if not inflated.eof:
                return None
            found["content"] = json.loads(text)
    except (ValueError, TypeError, zlib.error, binascii.Error, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.setdefault("content", {}), dict):
        return None
    return found


def dumped(value: Any) -> str:
    """JSON in ASCII. A number that JSON doesn't have (a field that the model ignores may hold it) is null."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value
