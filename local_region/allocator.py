"""The C library's allocator, told to give memory back.

glibc raises its threshold for separately mapped blocks when one is freed, up to 32 MB; from then on the bodies of
requests come from its arenas, one for each thread, and are kept there. With the threshold fixed a freed body is gone.
"""

from __future__ import annotations

import ctypes
import sys

# malloc.h of glibc
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_THRESHOLD_BYTES = 512 * 1024
_ARENAS = 2


def give_memory_back() -> bool:
    """Whether the allocator took the settings: only glibc has them."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES) and mallopt(_M_ARENA_MAX, _ARENAS))
