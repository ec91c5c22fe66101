"""Nested records as flat ones: ``{"user": {"age": 3}, "tags": ["a", "b"]}`` is ``{"user.age": 3, "tags": "a b"}``.

The same function reads a line of a training file, a line of a batch and a record of a request, so that the same record
is the same row everywhere; structures of Parquet become the same columns (``data.structures``). An object becomes a
field for each of its parts, named by its path; an empty one none. A list of texts becomes one text, its parts joined by
spaces, nulls left out; an empty list is a missing value. What can't be one value stays under its name as ``Refused``,
for the caller to tell of or to pass over.

Only the standard library: this module is on the prediction path's cold start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: names in a path
MOST_LEVELS = 8
#: fields that the objects of one record may come to
MOST_FIELDS = 2_000
SEPARATOR = "."
_KINDS = {dict: "objects", list: "lists", str: "texts", bool: "booleans", int: "numbers", float: "numbers"}
_PARTS = "write its parts as columns of their own"


@dataclass(frozen=True)
class Refused:
    """A value that no cell holds, and why."""

    reason: str


class Joined(str):
    """A list of texts, as the one text that it is read as."""

    __slots__ = ()


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record's fields by their paths: JSON's scalars, ``Joined`` and ``Refused``. A flat record stays as it is.

    >>> flat({"user": {"age": 3, "address": {"city": "x"}}, "tags": ["a", None, "b"], "user.name": None, "none": []})
    {'user.age': 3, 'user.address.city': 'x', 'tags': 'a b', 'user.name': None, 'none': None}
    >>> flat({"user": {"age": 3}, "user.age": 4})
    {'user.age': Refused(reason="written twice, as 'user.age' and within an object")}
    """
    found: dict[str, Any] = {}
    _add(record, "", 1, found)
    return found


def is_nested(record: Mapping[str, Any]) -> bool:
    """Whether ``flat`` has anything to do."""
    return any(type(value) in (dict, list) for value in record.values())


def above(name: str) -> Iterator[str]:
    """The paths that ``name`` lies below, the outermost first.

    >>> list(above("a.b.c"))
    ['a', 'a.b']
    """
    end = name.find(SEPARATOR)
    while end >= 0:
        yield name[:end]
        end = name.find(SEPARATOR, end + 1)


def is_below(name: str, names: Collection[str]) -> bool:
    """Whether ``name`` lies below one of ``names``."""
    return any(path in names for path in above(name))


def _add(part: Mapping[str, Any], prefix: str, level: int, found: dict[str, Any]) -> None:
    for name, value in part.items():
        path = prefix + name
        if type(value) is dict:
            if level == MOST_LEVELS:
                value = Refused(f"an object more than {MOST_LEVELS} levels deep; {_PARTS}")
            elif len(found) + len(value) > MOST_FIELDS:
                value = Refused(f"an object by which the record has more than {MOST_FIELDS:,} fields; leave some out")
            else:
                _add(value, path + SEPARATOR, level + 1, found)
                continue
        elif type(value) is list:
            value = _joined(value)
        if path in found:
            value = Refused(f"written twice, as {path!r} and within an object")
        found[path] = value


def _joined(parts: list[Any]) -> Joined | Refused | None:
    texts = [part for part in parts if part is not None]
    if all(isinstance(part, str) for part in texts):
        return Joined(" ".join(texts)) if texts else None
    kinds = {_KINDS[type(part)] for part in texts}
    kind = kinds.pop() if len(kinds) == 1 else "values of several kinds"
    remedy = "write them as texts if they are names, else as columns of their own" if kind == "numbers" else _PARTS
    return Refused(f"a list of {kind}, where one value or a list of texts is read; {remedy}")
