"""On which line of a text each of its records begins: DuckDB numbers records, and only those that it rejects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


class Lines:
    """Which line of a text each of its records begins on. ``header`` counts the blank lines before the header; None:
    the text has none."""

    def __init__(self, path: Path, *, header: int | None, quotes: bool) -> None:
        self._path, self._header, self._quotes = path, header, quotes
        self._blank = " \r\n" if header is None else "\r\n"  # a line of blanks is a record of a table, none of JSON
        self.header_lines = 0 if header is None else header + 1

    def write(self, target: Path, broken: frozenset[int]) -> tuple[int, bool, int]:
        """Writes the lines of the records that are not ``broken``. The first, whether all follow it without a gap, and
        how many there are."""
        first, last, count = self.header_lines + 1, None, 0
        regular = True
        with target.open("w") as out:
            for number in self._records():
                if number in broken:
                    continue
                if last is None:
                    first = number
                elif number != last + 1:
                    regular = False
                last = number
                count += 1
                out.write(f"{number}\n")
        return first, regular, count

    def _records(self) -> Iterator[int]:
        with self._path.open("rb") as file:
            start = file.read(1 << 20)
        end = "\r" if b"\r" in start and b"\n" not in start else "\n"
        inside, header = False, self._header is None
        with self._path.open(encoding="latin-1", newline=end) as text:
            for number, line in enumerate(text, 1):
                odd = self._quotes and line.count('"') % 2 == 1
                if inside:
                    inside = not odd
                    continue
                if not line.strip(self._blank) or (number == 1 and line.strip(self._blank) == "\xef\xbb\xbf"):
                    continue
                inside = odd
                if not header:
                    header = True
                    continue
                yield number
