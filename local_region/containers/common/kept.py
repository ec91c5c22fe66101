"""What a process has read before it forks the training jobs that need it.

The training jobs of a tuning job differ in their hyperparameters, not in their data. One process reads the channels and
keeps them here; those that are forked from it find them. An ordinary training job finds nothing and keeps nothing.
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")
#: what a training job's log says of channels that it found
ONCE = " (once for all training jobs of the tuning job)"


class Kept:
    """Values read from files, and values made of those."""

    def __init__(self) -> None:
        self._keeps = False
        self._read: list[tuple[Hashable, list[Path], Any]] = []
        self._made: dict[Hashable, Any] = {}

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """What is read and made within is kept as long as the process lives, and in its forks."""
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False

    def read(self, how: Hashable, files: Sequence[Path], read: Callable[[], Value]) -> tuple[Value, bool]:
        """``read()``, or what it returned for files with the same content; and whether it was kept. ``how`` is all but
        the files that the value depends on. Contents are compared, not names or times: a file in S3 may have been
        replaced between two downloads."""
        for known, others, value in self._read:
            if known == how and _alike(files, others):
                return value, True
        value = read()
        if self._keeps:
            self._read.append((how, list(files), value))
        return value, False

    def made(self, of: Hashable, make: Callable[[], Value]) -> Value:
        """``make()``, or what it returned for an equal ``of``. Objects in ``of`` are told apart by identity: have no
        ``__eq__``."""
        if of in self._made:
            found: Value = self._made[of]
            return found
        value = make()
        if self._keeps:
            self._made[of] = value
        return value


def _alike(files: Sequence[Path], others: Sequence[Path]) -> bool:
    if len(files) != len(others):
        return False
    pairs = list(zip(files, others, strict=True))
    return all(
        other.exists() and one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False)
        for one, other in pairs
    )


#: this process's
KEPT = Kept()
