"""The package as one file: a zip archive that Python runs, with the wheels of what it needs.

The wheels are in a layer of their own (layers/dependencies/preparation), for the image that the job runs in. Where
there is no such layer, in the local region, the archive has none.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import sluicegate
from sluicegate import shipped

#: a namespace package of nothing but wheels
_WHEELS = "sluicegate_wheels"
_LEFT_OUT = frozenset({"__pycache__", "http", "report"})
_EPOCH = (1980, 1, 1, 0, 0, 0)
_DIGEST_LENGTH = 16


class PackageProgram:
    """``ports.Program``. Equal content makes an equal archive."""

    def write(self, target: Path) -> str:
        digest = hashlib.sha256()
        with zipfile.ZipFile(target, "w") as archive:
            for name, content, compression in _entries():
                info = zipfile.ZipInfo(name, _EPOCH)
                info.compress_type = compression
                archive.writestr(info, content)
                digest.update(f"{name}\0{len(content)}\0".encode())
                digest.update(content)
        return digest.hexdigest()[:_DIGEST_LENGTH]


def _entries() -> Iterator[tuple[str, bytes, int]]:
    yield "__main__.py", shipped.preparation(), zipfile.ZIP_DEFLATED
    root = Path(str(sluicegate.__path__[0]))
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if not _LEFT_OUT & {*relative.parts}:
            yield f"sluicegate/{relative.as_posix()}", path.read_bytes(), zipfile.ZIP_DEFLATED
    for wheel in wheels():
        yield f"wheels/{wheel.name}", wheel.read_bytes(), zipfile.ZIP_STORED  # compressed already


def wheels() -> list[Path]:
    """By name; none where no layer brings them."""
    found = find_spec(_WHEELS)
    places = list(found.submodule_search_locations or []) if found is not None else []
    return sorted((path for place in places for path in Path(place).glob("*.whl")), key=lambda path: path.name)
