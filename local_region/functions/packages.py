"""Function and layer archives: unpacked safely, kept by content.

An archive is refused when it holds absolute paths, ``..``, symbolic links, or more than Lambda's 250 MB unpacked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import stat
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from local_region.ports import AwsError

#: Lambda's limit for a function's code together with its layers, unpacked (bytes).
MAX_UNZIPPED = 262_144_000
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Package:
    """An unpacked archive. ``sha256`` is base64 as Lambda reports it; sizes are bytes."""

    digest: str  # hex
    sha256: str
    size: int
    unzipped: int
    folder: Path


def invalid(message: str) -> AwsError:
    """Lambda's error for a request it understands but can't accept."""
    return AwsError("InvalidParameterValueException", message, 400, {"Type": "User"})


def safe_path(name: str) -> PurePosixPath:
    """The entry's path inside the archive; ``AwsError`` when it would leave the folder it is unpacked in."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or (path.parts and path.parts[0].endswith(":")):
        raise invalid(f"Could not unzip uploaded file: the entry {name!r} points outside of the archive.")
    return path


def unpack(archive: Path, folder: Path, limit: int = MAX_UNZIPPED) -> int:
    """Unpack ``archive`` into the empty ``folder``; returns the bytes written (counted, not believed)."""
    written = 0
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                mode = entry.external_attr >> 16
                if stat.S_ISLNK(mode):
                    raise invalid(f"Could not unzip uploaded file: {entry.filename!r} is a symbolic link.")
                target = folder / safe_path(entry.filename)
                if entry.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(entry) as source, target.open("wb") as sink:
                    while chunk := source.read(_CHUNK):
                        written += len(chunk)
                        if written > limit:
                            raise invalid(f"Unzipped size must be smaller than {limit} bytes")
                        sink.write(chunk)
                if mode & 0o111:
                    target.chmod(0o755)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise invalid(
            f"Could not unzip uploaded file. Please check your file, then try to upload again. ({error})"
        ) from (error)
    return written


class PackageStore:
    """Archives under one folder, each once, named by the SHA-256 of its bytes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, source: IO[bytes]) -> Package:
        """Take an archive in; the same bytes are unpacked once."""
        self._root.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="incoming-", dir=self._root)
        archive = Path(name)
        try:
            hasher, size = hashlib.sha256(), 0
            with os.fdopen(handle, "wb") as sink:
                while chunk := source.read(_CHUNK):
                    hasher.update(chunk)
                    size += len(chunk)
                    if size > MAX_UNZIPPED:
                        raise invalid(f"Zipped size must be smaller than {MAX_UNZIPPED} bytes")
                    sink.write(chunk)
            if size == 0:
                raise invalid("Uploaded file must be a non-empty zip")
            return self._place(archive, hasher.hexdigest(), base64.b64encode(hasher.digest()).decode(), size)
        finally:
            archive.unlink(missing_ok=True)

    def _place(self, archive: Path, digest: str, sha256: str, size: int) -> Package:
        folder, record = self._root / digest, self._root / f"{digest}.json"
        if record.exists() and folder.is_dir():
            return Package(digest, sha256, size, int(json.loads(record.read_text())["unzipped"]), folder)
        staging = Path(tempfile.mkdtemp(prefix="unpack-", dir=self._root))
        try:
            unzipped = unpack(archive, staging)
            shutil.rmtree(folder, ignore_errors=True)  # left half-done by a region that was killed
            staging.rename(folder)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        folder.chmod(0o755)
        record.write_text(json.dumps({"unzipped": unzipped}))
        return Package(digest, sha256, size, unzipped, folder)
