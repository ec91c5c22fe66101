"""The files of a training job's artifact, read into memory."""

from __future__ import annotations

import tarfile
from pathlib import Path

from sluicegate.ports import Storage

LARGEST_ARTIFACT = 64 * 1024 * 1024
LARGEST_MODEL = 192 * 1024 * 1024


class NotRead(ValueError):
    """The artifact is too large for this, or no archive; the text says which."""


def files(storage: Storage, artifact: str, folder: Path) -> dict[str, bytes]:
    """The content of each file of ``artifact`` but those that are hidden, by its path in it, by way of ``folder``.
    Raises `NotRead`, and ``NotFound``."""
    if storage.head(artifact).size > LARGEST_ARTIFACT:
        raise NotRead(f"the artifact is larger than {LARGEST_ARTIFACT >> 20} MB")
    target = folder / "model.tar.gz"
    storage.download(artifact, target)
    found: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(target, "r|gz") as members:
            for member in members:
                total += member.size
                if total > LARGEST_MODEL:
                    raise NotRead(f"the model is larger than {LARGEST_MODEL >> 20} MB")
                content = members.extractfile(member) if member.isreg() else None
                if content is not None and not Path(member.name).name.startswith("."):
                    found[member.name.removeprefix("./")] = content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise NotRead(f"the artifact is no readable archive ({error})") from error
    return found
