"""Bodies that are passed on without being held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO


def blocks(stream: IO[bytes], count: int, size: int) -> Iterator[bytes]:
    """The next ``count`` bytes, ``size`` at most at a time; fewer when the stream ends before."""
    while count > 0:
        block = stream.read(min(size, count))
        if not block:
            return
        count -= len(block)
        yield block
