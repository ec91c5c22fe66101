"""Importing without what is not wanted."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


@contextmanager
def hidden(names: Iterable[str]) -> Iterator[None]:
    """Within, modules that are not loaded yet can't be imported, as if they weren't installed; afterwards they can.

    >>> with hidden(["this"]):
    ...     import this
    Traceback (most recent call last):
    ModuleNotFoundError: import of this halted; None in sys.modules
    """
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type] # None makes an import fail (import system docs)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
