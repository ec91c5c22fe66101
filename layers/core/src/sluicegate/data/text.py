"""From the bytes of an upload to UTF-8 text that DuckDB can read, streaming, changing only what must be changed."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sluicegate.domain.errors import UnreadableUpload

CHUNK = 1 << 20
_HEAD = 1 << 16
#: a line may grow to this before it is cut off from rewriting (DuckDB rejects lines beyond 2 MB anyway)
_LONGEST_LINE = 8 << 20

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "Save the sheet as CSV (UTF-8) and upload that."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save the sheet as CSV (UTF-8) and upload that."),
    (b"%PDF", "a PDF", "Upload the table as .csv or .csv.gz."),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV."),
    (b"BZh", "bzip2-compressed", "Use gzip: .csv.gz."),
    (b"\xfd7zXZ", "xz-compressed", "Use gzip: .csv.gz."),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed", "Use gzip: .csv.gz."),
    (b"Obj\x01", "an Avro file", "Upload the rows as .csv, .jsonl or .parquet."),
    (b"ORC", "an ORC file", "Upload the rows as .csv, .jsonl or .parquet."),
)
_REMEDY = "Upload .parquet, or text in UTF-8: .csv with a header line, or .jsonl; each may be packed with gzip (.gz)."


@dataclass
class PlainText:
    """A UTF-8 file with one kind of line end. ``notes`` say what was changed to make it so."""

    path: Path
    size: int
    encoding: str
    lines: int = 0
    has_quotes: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass
class _Scan:
    size: int = 0
    feeds: int = 0
    returns: int = 0
    pairs: int = 0
    has_quotes: bool = False
    valid: bool = True
    some_valid: bool = False  # there are well-formed multi-byte characters

    @property
    def mixed(self) -> bool:
        return (self.feeds > self.pairs) + (self.pairs > 0) + (self.returns > self.pairs) > 1


def plain_text(source: Path, key: str, workdir: Path, max_unpacked_bytes: int) -> PlainText:
    """The text of ``source``: unpacked, in UTF-8, with uniform line ends. The file itself when nothing has to change.

    Raises ``UnreadableUpload`` for an empty file, a damaged or too large archive, and what is not text.
    """
    path, notes = _unpacked(source, key, workdir, max_unpacked_bytes)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00"):
        raise UnreadableUpload("Empty file", f"{key} has no text in it.", _REMEDY)
    encoding = _wide_encoding(head)
    if encoding is None:
        _refuse_binary(head, key)
        scan = _scan(path)
        if not scan.valid and not scan.some_valid:
            encoding = "cp1252"
            notes.append("The file is not UTF-8; it was read as Windows-1252 (Latin-1). Save it as UTF-8 to be sure.")
        elif not scan.valid:
            notes.append("Some lines are not valid UTF-8; they are rejected.")
    if encoding is not None:
        if encoding != "cp1252":
            notes.append(f"The file is {encoding.upper()}; it was read as such.")
        target = workdir / "transcoded.csv"
        _transcode(path, target, encoding, key)
        path, scan = target, _scan(target)
    if scan.mixed:  # DuckDB's strict reader takes one kind of line end only
        target = workdir / "uniform.csv"
        rewrite_lines(path, target, lambda text: text.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
        path, scan = target, _scan(target)
        notes.append(
            "The file mixes kinds of line ends; all were read alike, those within quotes as part of their field."
        )
    return PlainText(
        path=path,
        size=scan.size,
        encoding=encoding or "utf-8",
        lines=scan.feeds or scan.returns,
        has_quotes=scan.has_quotes,
        notes=notes,
    )


def _unpacked(source: Path, key: str, workdir: Path, limit: int) -> tuple[Path, list[str]]:
    with source.open("rb") as file:
        magic = file.read(16)
    if not magic:
        raise UnreadableUpload("Empty file", f"{key} has 0 bytes.", _REMEDY)
    for start, kind, remedy in _MAGIC:
        if magic.startswith(start):
            raise UnreadableUpload("Not a CSV file", f"{key} is {kind}.", remedy)
    if not magic.startswith(b"\x1f\x8b"):
        if source.stat().st_size > limit:
            raise _too_large(key, limit)
        notes = [f"{key} is named .gz but is not compressed; it was read as it is."] if key.endswith(".gz") else []
        if any(mark in str(source) for mark in "*?["):  # DuckDB would take the name for a pattern
            plain = workdir / "source.csv"
            plain.unlink(missing_ok=True)
            plain.symlink_to(source.resolve())
            return plain, notes
        return source, notes
    target = workdir / "unpacked.csv"
    size = 0
    try:
        with gzip.open(source, "rb") as packed, target.open("wb") as out:
            while chunk := packed.read(CHUNK):
                size += len(chunk)
                if size > limit:
                    raise _too_large(key, limit)
                out.write(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableUpload(
            "Damaged gzip file",
            f"{key} can't be unpacked after {size:,} bytes: {error}.",
            "Compress and upload it again.",
        ) from error
    if size == 0:
        raise UnreadableUpload("Empty file", f"{key} unpacks to 0 bytes.", _REMEDY)
    return target, []


def _too_large(key: str, limit: int) -> UnreadableUpload:
    return UnreadableUpload(
        "File too large", f"{key} has more than {limit:,} bytes of text.", "Split it into several files."
    )


_LATIN = bytes([9, 10, 13, *range(32, 127)])


def _wide_encoding(head: bytes) -> str | None:
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "utf-32"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if len(head.translate(None, _LATIN + b"\x00")) > 0.1 * len(head):
        return None
    even, odd = head[0::2], head[1::2]
    # Without a mark: text in a Latin script has its zero bytes all on one side.
    if odd and odd.count(0) > 0.4 * len(odd) and even.count(0) < 0.05 * len(even):
        return "utf-16-le"
    if even and even.count(0) > 0.4 * len(even) and odd.count(0) < 0.05 * len(odd):
        return "utf-16-be"
    return None


_CONTROL = bytes(byte for byte in range(32) if byte not in (7, 8, 9, 10, 12, 13, 27))


def _refuse_binary(head: bytes, key: str) -> None:
    control = len(head) - len(head.translate(None, _CONTROL))
    undefined = len(head) - len(head.translate(None, b"\x81\x8d\x8f\x90\x9d\x7f"))
    text = _is_utf8_start(head)
    if head.count(0) > 1 or control > 0.02 * len(head) or (not text and undefined > 0.005 * len(head)):
        raise UnreadableUpload("Not a text file", f"{key} holds binary data, not lines of text.", _REMEDY)


def _is_utf8_start(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _scan(path: Path) -> _Scan:
    """One pass over the bytes: valid UTF-8? which line ends? any quotes?"""
    scan = _Scan()
    decoder = codecs.getincrementaldecoder("utf-8")()
    previous_return = False
    for chunk in _chunks(path):
        scan.size += len(chunk)
        scan.feeds += chunk.count(b"\n")
        if previous_return or b"\r" in chunk:
            scan.returns += chunk.count(b"\r")
            scan.pairs += chunk.count(b"\r\n") + (previous_return and chunk.startswith(b"\n"))
        previous_return = chunk.endswith(b"\r")
        scan.has_quotes = scan.has_quotes or b'"' in chunk
        if scan.valid and not (chunk.isascii() and decoder.getstate()[0] == b""):
            try:
                decoder.decode(chunk)
                scan.some_valid = True
            except UnicodeDecodeError as error:
                scan.valid = False
                scan.some_valid = scan.some_valid or any(byte >= 128 for byte in chunk[: max(0, error.start)])
    if scan.valid:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            scan.valid = False
    return scan


def _transcode(path: Path, target: Path, encoding: str, key: str) -> None:
    errors = "replace" if encoding == "cp1252" else "strict"  # cp1252 leaves five bytes undefined
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    try:
        with target.open("wb") as out:
            for chunk in _chunks(path):
                out.write(decoder.decode(chunk).removeprefix("\ufeff").encode())
            out.write(decoder.decode(b"", final=True).encode())
    except UnicodeError as error:
        raise UnreadableUpload("Damaged text", f"{key} is not valid {encoding.upper()}: {error}.", _REMEDY) from error


def spread_sample(path: Path, size: int, target: Path, *, windows: int = 16, window: int = 1 << 18) -> Path:
    """A small file with the start of ``path`` and lines from all over it; ``path`` itself when it is small.

    A file that is sorted shows only part of its values at its start. A window may begin inside a quoted field; the
    broken lines that this makes are for the reader of a sample to ignore.
    """
    if size <= 2 * windows * window:
        return path
    with path.open("rb") as file, target.open("wb") as out:
        start = file.read(4 * window)
        end = b"\n" if b"\n" in start else b"\r"
        out.write(start[: start.rfind(end) + 1])
        for number in range(1, windows):
            file.seek(size * number // windows)
            block = file.read(window)
            out.write(block[block.find(end) + 1 : block.rfind(end) + 1])
    return target


def rewrite_lines(path: Path, target: Path, change: Callable[[bytes], bytes]) -> None:
    """Copies ``path`` through ``change``, which gets whole lines, many at a time."""
    carried = b""
    with target.open("wb") as out:
        for chunk in _chunks(path):
            block = carried + chunk
            cut = block.rfind(b"\n") + 1
            if cut == 0 and len(block) < _LONGEST_LINE:
                carried = block
                continue
            cut = cut or len(block) - 1  # keep a byte back: it may be the first half of a line end
            out.write(change(block[:cut]))
            carried = block[cut:]
        out.write(change(carried))
