"""``model.tar.gz`` made and unpacked: no path leaves the folder, no links or devices, bounded in size and number."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path, PurePosixPath

MAX_BYTES = 20 << 30
MAX_MEMBERS = 10_000


class BadArchive(Exception):
    """The archive can't be used; the text says why."""


def pack(folder: Path, target: Path) -> None:
    """The folder's content, with names relative to it. Speed before size: models hardly compress."""
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            if not any(part.startswith(".") for part in path.relative_to(folder).parts):
                archive.add(path, arcname=str(path.relative_to(folder)), recursive=False)


def unpack(source: Path, folder: Path) -> None:
    """``BadArchive`` before anything outside ``folder`` could be written."""
    total = 0
    try:
        with tarfile.open(source, "r:gz") as archive:
            for count, member in enumerate(archive, 1):
                total += member.size
                if count > MAX_MEMBERS or total > MAX_BYTES:
                    raise BadArchive(f"it holds more than {MAX_MEMBERS} files or {MAX_BYTES >> 30} GiB")
                _extract(archive, member, folder)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise BadArchive(f"it is no readable gzip tar archive ({error})") from error


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise BadArchive(f"member {member.name!r} points outside of it")
    target = folder.joinpath(*path.parts)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        raise BadArchive(f"member {member.name!r} is neither a file nor a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as sink:
        while block := content.read(1 << 20):
            sink.write(block)
