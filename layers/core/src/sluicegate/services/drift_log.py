"""The prediction log and the feedback in the bucket, file by file, within bounds that are told."""

from __future__ import annotations

import gzip
import io
import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sluicegate.domain.errors import NotFound
from sluicegate.domain.items import moment
from sluicegate.domain.names import digest
from sluicegate.ports import Storage

log = logging.getLogger(__name__)

#: files of one look: reading one takes about 30 ms
MOST_FILES = 5_000
#: a file that the log's writer made has a few hundred lines; what is larger is none of its own
_LARGEST_FILE = 32 * 1024 * 1024
_LARGEST_INFLATED = 256 * 1024 * 1024
_LONGEST_LINE = 8 * 1024 * 1024
Line = dict[str, Any]


@dataclass
class Read:
    """What a look read, for its report. ``files`` of ``of_files``: fewer when there were more than it reads."""

    files: int = 0
    of_files: int = 0
    lines: int = 0
    unreadable: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "unreadable": self.unreadable[:10], "more_unreadable": max(0, len(self.unreadable) - 10)}


class PredictionLog:
    """Reads ``prediction-log/<model>/`` and ``feedback/<model>/``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def predictions(self, model: str, hours: Iterable[datetime]) -> list[str]:
        """The files of these hours (each the beginning of one, UTC), in an order that has nothing to do with time: so
        the first of them are a fair sample."""
        wanted = sorted({hour.astimezone(UTC).strftime("dt=%Y-%m-%d/hour=%H") for hour in hours})
        found = [stored.key for hour in wanted for stored in self._storage.list(f"prediction-log/{model}/{hour}/")]
        return sorted(found, key=_mixed)

    def feedback(self, model: str, since: datetime, until: datetime) -> list[str]:
        """The files of these days, mixed as well."""
        found = [
            stored.key
            for day in days(since, until)
            for stored in self._storage.list(f"feedback/{model}/dt={day}/")
            if stored.key.endswith(".jsonl.gz")
        ]
        return sorted(found, key=_mixed)

    def lines(self, keys: Sequence[str], read: Read) -> Iterator[Line]:
        """The lines of the files, one after the other; ``read`` is kept up to date."""
        for key in keys:
            read.files += 1
            try:
                for line in self._file(key):
                    read.lines += 1
                    yield line
            except _Unreadable as error:
                log.warning("%s can't be read: %s", key, error)
                read.unreadable.append(f"{key}: {error}")

    def _file(self, key: str) -> Iterator[Line]:
        try:
            content = self._storage.read(key, _LARGEST_FILE)
        except NotFound:
            raise _Unreadable("it is gone") from None  # a lifecycle rule may take it any time
        if len(content) > _LARGEST_FILE:
            raise _Unreadable(f"it has more than {_LARGEST_FILE >> 20} MB")
        inflated = 0
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                while raw := file.readline(_LONGEST_LINE + 1):
                    inflated += len(raw)
                    if len(raw) > _LONGEST_LINE or inflated > _LARGEST_INFLATED:
                        raise _Unreadable("it inflates to more than the log's writer makes")
                    line = json.loads(raw)
                    if not isinstance(line, dict):
                        raise _Unreadable("a line is no JSON object")
                    yield line
        except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
            raise _Unreadable(f"{type(error).__name__}: {str(error)[:200]}") from error


class _Unreadable(Exception):
    """A file, or the rest of it."""


def hours(since: datetime, until: datetime) -> list[datetime]:
    """The beginnings of the hours that have a part of the time from ``since`` until ``until``."""
    first = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    count = max(0, -(-(until - first) // timedelta(hours=1)))
    return [first + timedelta(hours=place) for place in range(count)]


def days(since: datetime, until: datetime) -> list[str]:
    """
    >>> days(datetime(2026, 1, 2, 23, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))
    ['2026-01-02', '2026-01-03']
    """
    return sorted({hour.strftime("%Y-%m-%d") for hour in hours(since, until)})


def when(line: Line, name: str = "at") -> datetime | None:
    """The line's time ``name``; None without one."""
    try:
        return moment(str(line[name]))
    except (KeyError, ValueError):
        return None


def _mixed(key: str) -> str:
    return digest(["sample", key], 16)
