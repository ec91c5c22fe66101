"""``python -m local_region serve``: the local region in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import sys

from local_region.command import main

if __name__ == "__main__":
    sys.exit(main())
