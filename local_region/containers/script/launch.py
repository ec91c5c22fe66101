"""A worker that becomes another program: an interpreter of another environment, or an executable of one's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Never returns but for an error. The process keeps its id, its output and its death with the region."""
    try:
        os.execv(argv[0], list(argv))  # noqa: S606 - no shell is wanted
    except OSError as error:
        print(f"{argv[0]} can't be run: {error.strerror or error}", file=sys.stderr, flush=True)
        return 126
