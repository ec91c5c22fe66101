"""A script's files as one archive: checked before anything costs money, and the same bytes for the same content.

``sourcedir.tar.gz`` is what AWS's framework containers unpack (``sagemaker_submit_directory``). Pure: no I/O.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import warnings
from collections.abc import Mapping

from sluicegate.domain.errors import UserError
from sluicegate.domain.names import digest

#: of everything under models/<model>/code/ together
MAX_FILES = 200
MAX_BYTES = 5 * 1024 * 1024
MAX_REQUIREMENTS = 100
#: what the archive has besides: it runs the entry point, and leaves the code beside the model
RUNNER = "sluicegate_run.py"
#: AWS's toolkit takes the same characters in an entry point
_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+-]*(/[A-Za-z0-9._+-]+)*")
_REMEDY = "Correct it and upload it again; until then nothing starts, and what serves goes on."
_SHOWN = 3


class BadCode(UserError):
    """The files under models/<model>/code/ can't be run; ``detail`` names the file and what is wrong with it."""


def check_names(sizes: Mapping[str, int]) -> None:
    """Names (relative to code/) and sizes, before anything is read."""
    if len(sizes) > MAX_FILES:
        raise BadCode(
            "Too many files of code",
            f"There are {len(sizes):,} files under code/; accepted are {MAX_FILES}.",
            "Keep the script and its modules there; packages go in requirements.txt, data under data/.",
        )
    total = sum(sizes.values())
    if total > MAX_BYTES:
        largest = max(sizes, key=lambda name: sizes[name])
        raise BadCode(
            "Too much code",
            f"The files under code/ have {total:,} bytes together (the largest is {largest}); "
            f"accepted are {MAX_BYTES:,}.",
            "Keep the script and its modules there; packages go in requirements.txt, data under data/.",
        )
    for name in sizes:
        if not is_name(name):
            raise BadCode(
                "A file's name can't be used",
                f"code/{name[:200]}: accepted are letters, digits and . _ + - with / between folders, and no '..'.",
                "Upload it under another name and delete this one.",
            )
        if name == RUNNER:
            raise BadCode("A file's name is taken", f"code/{RUNNER} is added to every archive.", "Rename yours.")


def is_name(name: str) -> bool:
    """Whether ``name`` may be a file below code/."""
    return bool(_NAME.fullmatch(name)) and not any(part in (".", "..") for part in name.split("/"))


def check_content(files: Mapping[str, bytes]) -> None:
    """Syntax of every ``.py``, and what requirements.txt asks for. ``BadCode`` names file, line and mistake."""
    found = [problem for name, content in sorted(files.items()) if (problem := _mistake(name, content)) is not None]
    if found:
        shown = found[:_SHOWN] + ([f"… and {len(found) - _SHOWN} more files"] if len(found) > _SHOWN else [])
        raise BadCode("The script can't run", "; ".join(shown), _REMEDY)


def _mistake(name: str, content: bytes) -> str | None:
    if name.endswith(".py"):
        return _syntax(name, content)
    if name == "requirements.txt":
        return _requirements(content)
    return None


def _syntax(name: str, content: bytes) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a script's own business
            compile(content, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f", line {error.lineno}" if error.lineno else ""
        line = f" ({error.text.strip()[:80]})" if error.text and error.text.strip() else ""
        return f"code/{name}{where}: {error.msg}{line}"
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested without end
        return f"code/{name}: it can't be compiled ({error or type(error).__name__})"
    return None


def _requirements(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return f"code/requirements.txt: it is not UTF-8 (byte {error.start})"
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "--hash"))]
    if len(lines) > MAX_REQUIREMENTS:
        return f"code/requirements.txt: it has {len(lines):,} lines; accepted are {MAX_REQUIREMENTS}"
    return None


def check_entry_point(files: Mapping[str, bytes] | list[str], entry_point: str) -> None:
    """``BadCode`` when the script that model.yaml names is not there."""
    if entry_point not in files:
        there = ", ".join(sorted(files)[:10]) or "nothing"
        raise BadCode(
            "The entry point is missing",
            f"algorithm.entry_point is {entry_point}, and code/ has {there}.",
            f"Upload models/<model>/code/{entry_point}, or name another entry point in model.yaml.",
        )


def pack(files: Mapping[str, bytes]) -> bytes:
    """A gzip tar whose bytes depend on names and contents alone.

    >>> pack({"train.py": b"1"}) == pack({"train.py": b"1"})
    True
    """
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(files[name]), 0o644
            archive.addfile(info, io.BytesIO(files[name]))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as stream:
        stream.write(plain.getvalue())
    return packed.getvalue()


def fingerprint(files: Mapping[str, bytes]) -> str:
    """Changes exactly when a name or a content does."""
    parts: list[str] = []
    for name in sorted(files):
        parts += [name, files[name].hex()]
    return digest(["source", *parts], 16)
