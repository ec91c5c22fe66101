"""Lists in pages: how many, and where the next one begins."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sluicegate.domain.errors import SluicegateError

Json = dict[str, Any]
Item = TypeVar("Item", bound=Mapping[str, Any])

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200
#: a function's answer has 6 MB at most ("Lambda quotas", AWS Lambda Developer Guide); its body is a text within JSON,
#: so that each quote takes two characters
LARGEST_ANSWER = 5_000_000


class InvalidPage(SluicegateError):
    """``limit`` or ``next`` can't be used; the message says why."""


def page(
    items: Sequence[Item],
    name: Callable[[Item], str],
    shape: Callable[[Item], Json],
    limit: str | None,
    after: str | None,
) -> tuple[list[Json], Json]:
    """The part of ``items`` that a request asks for, as ``shape`` shows each, and {"next": token} when more follow. Of
    items so large that ``limit`` of them are no answer there are fewer, at least one.

    The token names the last item shown, so items that arrive meanwhile shift nothing. Raises `InvalidPage`.
    """
    if limit is None:
        count = DEFAULT_LIMIT
    elif limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= LARGEST_LIMIT:
        count = int(limit)
    else:
        raise InvalidPage(f"limit must be a whole number from 1 to {LARGEST_LIMIT}, not {limit[:40]!r}")
    start = 0
    if after is not None:
        last = _token_name(after)
        start = next((position for position, item in enumerate(items, 1) if name(item) == last), 0)
        if start == 0:
            raise InvalidPage("next names nothing in this list (any more); start again without it")
    shown: list[Json] = []
    size = 0
    for item in items[start : start + count]:
        one = shape(item)
        size += len(json.dumps(json.dumps(one)))
        if shown and size > LARGEST_ANSWER:
            break
        shown.append(one)
    end = start + len(shown)
    return shown, {"next": _token(name(items[end - 1]))} if shown and end < len(items) else {}


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(json.dumps({"after": name}).encode()).decode().rstrip("=")


def _token_name(token: str) -> str:
    try:
        return str(json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))["after"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise InvalidPage("next must be the value that the page before gave") from error
