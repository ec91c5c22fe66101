"""Checks a parsed request against botocore's model, and says what is wrong in AWS's words.

botocore's own ``ParamValidator`` checks types, required members and minimums; AWS also enforces lengths, patterns and
enums. The message: "2 validation errors detected: Value 'x' at 'a.1.member.b' failed to satisfy constraint: …; …".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "character": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "timestamp": (datetime,),
    "blob": (bytes, bytearray, str),
}
_NUMBERS = frozenset({"integer", "long", "float", "double"})
_SHOWN = 200


def violations(params: dict[str, Any], shape: Shape | None) -> str | None:
    """AWS's message about everything in ``params`` that breaks the model, or None."""
    found = list(_check(params, shape, "")) if shape is not None else []
    if not found:
        return None
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
    return f"{count}: " + "; ".join(found)


def _check(value: Any, shape: Any, path: str) -> Iterator[str]:
    if getattr(shape, "is_document_type", False):
        return
    if not _is_of(value, shape.type_name) or (isinstance(value, bool) and shape.type_name in _NUMBERS):
        yield _broken(value, path, f"Member must be of type {shape.type_name}")
    elif isinstance(shape, StructureShape):
        yield from _structure(value, shape, path)
    elif isinstance(shape, MapShape):
        yield from _bounds(len(value), value, shape, path, "length")
        for key, item in value.items():
            yield from _check(key, shape.key, f"{path}.key")
            yield from _check(item, shape.value, f"{path}.{key}.member")
    elif isinstance(shape, ListShape):
        yield from _bounds(len(value), value, shape, path, "length")
        for number, item in enumerate(value, 1):
            yield from _check(item, shape.member, f"{path}.{number}.member")
    elif isinstance(shape, StringShape) or shape.type_name == "string":
        yield from _string(value, shape, path)
    elif shape.type_name == "blob":
        yield from _bounds(len(value), value, shape, path, "length")
    elif shape.type_name in _NUMBERS:
        yield from _bounds(value, value, shape, path, "value")


def _is_of(value: Any, type_name: str) -> bool:
    return isinstance(value, _TYPES.get(type_name, (object,)))


def _structure(value: dict[str, Any], shape: StructureShape, path: str) -> Iterator[str]:
    prefix = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield _broken(None, prefix + _camel(name), "Member must not be null")
    for name, item in value.items():
        if item is not None and name in shape.members:
            yield from _check(item, shape.members[name], prefix + _camel(name))


def _string(value: str, shape: Shape, path: str) -> Iterator[str]:
    yield from _bounds(len(value), value, shape, path, "length")
    pattern = shape.metadata.get("pattern")
    compiled = _compile(pattern) if pattern else None
    if compiled is not None and not compiled.fullmatch(value):
        yield _broken(value, path, f"Member must satisfy regular expression pattern: {pattern}")
    choices = shape.metadata.get("enum")
    if choices and value not in choices:
        yield _broken(value, path, f"Member must satisfy enum value set: [{', '.join(choices)}]")


def _bounds(size: float, value: Any, shape: Shape, path: str, what: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _broken(value, path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and size > high:
        yield _broken(value, path, f"Member must have {what} less than or equal to {high}")


@lru_cache(maxsize=2048)
def _compile(pattern: str) -> re.Pattern[str] | None:
    """The models' patterns are Java's. The few that Python can't read (``\\p{L}`` and the like, used for tags) are
    not enforced."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _broken(value: Any, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{value if isinstance(value, str) else repr(value)}'"
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "…'"
    where = f"at '{path}' " if path else ""
    return f"Value {shown} {where}failed to satisfy constraint: {constraint}"


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
