"""Which of a package's modules the region's own interpreter can import.

Layers are built for Lambda (CPython 3.13, manylinux), the region runs functions with its own interpreter
(docs/decisions/0004). A distribution with an extension module that doesn't fit is left out as a whole, and the
region's environment, installed from the same lock, supplies it.
"""

from __future__ import annotations

import csv
import importlib.machinery
import importlib.metadata
import importlib.util
import platform
import re
import sys
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_region.functions.imports import marked_distributions, modules_of

_TAGGED = re.compile(r"\.(cpython-\d+[a-z]*-[\w-]+|abi3|cp\d+-\w+)\.(so|pyd)$")
#: e_machine of an ELF file (offset 18, little endian) by ``platform.machine()``; System V ABI, ELF header.
_ELF_MACHINES = {"x86_64": 62, "aarch64": 183, "arm64": 183}


@dataclass(frozen=True)
class Fit:
    """``folder`` goes on the path; ``left_out`` are top-level modules that the environment must supply;
    ``missing`` those that it lacks; ``replace`` top-level modules that must come from here even when the zygote
    has imported another version already; ``names`` are all top-level modules that come with the folder, also those
    that the environment supplies: what didn't fit, and what the marker of an empty layer names."""

    folder: Path
    left_out: tuple[str, ...]
    missing: tuple[str, ...]
    replace: tuple[str, ...]
    names: tuple[str, ...] = ()


def _wrong_machine(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(20)
    expected = _ELF_MACHINES.get(platform.machine())
    if header[:4] != b"\x7fELF" or len(header) < 20 or expected is None:
        return False
    return int.from_bytes(header[18:20], "little") != expected


def fits(path: Path, suffixes: Sequence[str] = tuple(importlib.machinery.EXTENSION_SUFFIXES)) -> bool:
    """Whether this interpreter could import the extension module ``path`` (files of other kinds fit)."""
    if not path.name.endswith((".so", ".pyd")):
        return True
    tag = _TAGGED.search(path.name)
    if tag and not path.name.endswith(tuple(s for s in suffixes if s != ".so")):
        return False
    return not _wrong_machine(path)


def _distributions(folder: Path) -> dict[Path, set[str]]:
    """Each ``*.dist-info`` of ``folder`` with the top-level entries (file or folder names) its RECORD lists."""
    found: dict[Path, set[str]] = {}
    for info in folder.glob("*.dist-info"):
        record = info / "RECORD"
        names: set[str] = set()
        if record.is_file():
            with record.open(newline="", encoding="utf-8", errors="replace") as file:
                names = {row[0].split("/", 1)[0] for row in csv.reader(file) if row and not row[0].startswith("..")}
        found[info] = names - {info.name, "__pycache__"}
    return found


def unfitting_entries(folder: Path) -> set[str]:
    """Entries of ``folder`` to leave out: those with an unfitting module, and the rest of their distributions."""
    bad = {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file() and not fits(path)}
    bad = {entry for entry in bad if not entry.endswith(".libs")}  # bundled shared libraries follow their package
    if not bad:
        return set()
    for info, entries in _distributions(folder).items():
        if entries & bad:
            bad |= entries | {info.name}
    return bad


def _same_version(info: Path) -> bool:
    name, _, version = info.name.removesuffix(".dist-info").partition("-")
    try:
        return importlib.metadata.version(name) == version
    except importlib.metadata.PackageNotFoundError:
        return False


def _lacks(name: str) -> bool:
    try:
        return name not in sys.modules and importlib.util.find_spec(name) is None
    except (ImportError, ValueError):
        return True


def _importable(entries: Iterable[str], folder: Path) -> set[str]:
    names = set()
    for entry in entries:
        if (folder / entry).is_dir():
            if "." not in entry and entry not in {"bin", "__pycache__"}:
                names.add(entry)
        elif entry.endswith((".py", ".so")):
            names.add(entry.split(".", 1)[0])
    return names


def _supplied(folder: Path) -> set[str]:
    """Top-level modules that the environment has of the distributions in ``folder``, shipped or named by a marker."""
    shipped = [info.name.removesuffix(".dist-info").partition("-")[0] for info in folder.glob("*.dist-info")]
    return modules_of([*shipped, *marked_distributions(folder)])


def fit(folder: Path, views: Path, name: str) -> Fit:
    """What of ``folder`` may go on the path. When a part must be left out, a folder of links to the rest is made at
    ``views / name``."""
    bad = unfitting_entries(folder)
    same: set[str] = set()
    for info, entries in _distributions(folder).items():
        if _same_version(info):
            same |= entries
    names = tuple(sorted(_importable({entry.name for entry in folder.iterdir()}, folder) | _supplied(folder)))
    kept = [entry for entry in sorted(folder.iterdir()) if entry.name not in bad]
    replace = tuple(sorted(_importable({entry.name for entry in kept} - same, folder)))
    if not bad:
        return Fit(folder, (), (), replace, names)
    left_out = tuple(sorted(_importable(bad, folder)))
    view = views / name
    if not view.exists():  # a worker may be running from it
        staging = views / f"{name}.{uuid.uuid4().hex}"
        staging.mkdir(parents=True)
        for entry in kept:
            (staging / entry.name).symlink_to(entry.resolve())
        staging.rename(view)
    return Fit(view, left_out, tuple(module for module in left_out if _lacks(module)), replace, names)
