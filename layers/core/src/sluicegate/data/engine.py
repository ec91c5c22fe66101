"""One way to open DuckDB: bounded memory, spilling into the work folder, nothing fetched from the network."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from sluicegate.domain.errors import OutOfRoom


@contextmanager
def connect(workdir: Path, memory_limit_mb: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory database. It may use ``memory_limit_mb`` and then spills under ``workdir``."""
    spill = workdir / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        config={
            "memory_limit": f"{memory_limit_mb}MB",
            "temp_directory": str(spill),
            "threads": max(1, min(4, os.cpu_count() or 1)),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": True,
        }
    )
    try:
        # A time without a zone is UTC, whatever the machine's own zone.
        connection.execute("SET GLOBAL TimeZone = 'UTC'; SET enable_progress_bar = false")
        yield connection
    except (duckdb.OutOfMemoryException, duckdb.IOException, OSError) as error:
        if not _full(error):
            raise
        raise OutOfRoom(
            "Too large for the function",
            f"Its memory ({memory_limit_mb:,} MB for this) and disk are not enough: {str(error).splitlines()[0][:300]}",
            "Deploy the stack with a larger DataMemoryMb or EphemeralStorageMb, or send smaller files.",
        ) from error
    finally:
        connection.close()


def _full(error: Exception) -> bool:
    """DuckDB tells a full disk in words only."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOSPC
    return isinstance(error, duckdb.OutOfMemoryException) or os.strerror(errno.ENOSPC) in str(error)


def name_sql(name: str) -> str:
    """``name`` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_sql(text: str) -> str:
    """``text`` as a string literal."""
    return "'" + text.replace("'", "''") + "'"


def list_sql(texts: list[str]) -> str:
    """A list of string literals."""
    return "[" + ", ".join(text_sql(text) for text in texts) + "]"


def files_sql(paths: list[Path]) -> str:
    return list_sql([str(path) for path in paths])
