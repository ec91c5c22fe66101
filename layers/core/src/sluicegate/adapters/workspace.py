"""The function's disk and memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Python, boto3 and DuckDB's code themselves
_OWN_MB = 320
_LEAST_MB = 128


class LambdaWorkspace:
    """``ports.Workspace`` in the system's folder for temporary files (Lambda: ``/tmp``, the ephemeral storage)."""

    @contextmanager
    def folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="sluicegate-") as name:
            yield Path(name)

    def free_bytes(self) -> int:
        return shutil.disk_usage(tempfile.gettempdir()).free

    @property
    def memory_limit_mb(self) -> int:
        """What DuckDB may take of the function's memory."""
        memory = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024"))
        return max(_LEAST_MB, memory - _OWN_MB)
