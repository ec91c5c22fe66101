"""What a function may import: what AWS's runtime has, its own code, its layers. Nothing else of the environment.

The region runs functions with its own interpreter, in whose environment far more is installed than Lambda has. Without
this a forgotten layer would work here and fail on AWS.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import os
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

#: beside the standard library, what Lambda's Python runtimes bring: the SDK with what it needs, and the runtime client
RUNTIME_MODULES = frozenset(
    (
        "boto3",
        "botocore",
        "s3transfer",
        "jmespath",
        "urllib3",
        "dateutil",
        "six",
        "awslambdaric",
        "runtime_client",
        "simplejson",
        "snapshot_restore_py",
    )
)
#: the file in which ``sluice deploy`` says what an otherwise empty layer stands for (cli/sluice/packaging.py)
MARKER = ".sluice-local"
_REPOSITORY = str(Path(__file__).resolve().parents[2])


def marked_distributions(layer_root: Path) -> tuple[str, ...]:
    """The distributions that a layer's marker names (``packages a b c``); none without a marker."""
    marker = layer_root / MARKER
    if not marker.is_file():
        return ()
    lines = (line.partition(" ") for line in marker.read_text().splitlines())
    return tuple(name for key, _, rest in lines if key == "packages" for name in rest.split())


def modules_of(distributions: Iterable[str]) -> set[str]:
    """The top-level modules of installed distributions; of one that isn't installed its name as a module."""
    found: set[str] = set()
    for name in distributions:
        try:
            files = importlib.metadata.distribution(name).files or ()
        except importlib.metadata.PackageNotFoundError:
            found.add(name.replace("-", "_"))
            continue
        for file in files:
            if len(file.parts) > 1 and file.parts[0].isidentifier():
                found.add(file.parts[0])
            elif len(file.parts) == 1 and file.suffix in {".py", ".so", ".pyd"}:
                found.add(file.name.split(".", 1)[0])
    return found - {"__pycache__"}


class Imports:
    """First and only on ``sys.meta_path``: asks the finders that were there, and hides what isn't the function's."""

    def __init__(self, allowed: Collection[str], own: Sequence[str], finders: Sequence[Any]) -> None:
        """``allowed``: top-level modules that the environment may supply; ``own``: folders of function and layers."""
        self._allowed = RUNTIME_MODULES | set(allowed)
        self._own = tuple({*own, *map(os.path.realpath, own)})
        self._finders = finders
        standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
        standard |= {str(Path(path) / "lib-dynload") for path in standard}
        inherited = {path or str(Path.cwd()) for path in sys.path} - standard - set(self._own)
        self._hidden = tuple({path for path in inherited if not path.endswith(".zip")} | {_REPOSITORY})

    def hides(self, name: str, places: Iterable[str | None]) -> bool:
        """Whether a module of these places (its file, or the folders of its package) is not for the function."""
        if name.split(".", 1)[0] in self._allowed:
            return False
        known = [place for place in places if place]
        return any(_below(place, self._hidden) and not _below(place, self._own) for place in known)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        for finder in self._finders:
            spec: importlib.machinery.ModuleSpec | None = finder.find_spec(name, path, target)
            if spec is None:
                continue
            if not self.hides(name, [spec.origin, *(spec.submodule_search_locations or ())]):
                return spec
            if _only_asked():
                return None
            raise ModuleNotFoundError(
                f"No module named {name!r}: {name.split('.', 1)[0]} is not in the function nor in its layers", name=name
            )
        return None

    def find_distributions(self, *context: Any) -> Iterator[importlib.metadata.Distribution]:
        """For ``importlib.metadata``."""
        for finder in self._finders:
            if hasattr(finder, "find_distributions"):
                yield from finder.find_distributions(*context)

    def invalidate_caches(self) -> None:
        for finder in self._finders:
            if hasattr(finder, "invalidate_caches"):
                finder.invalidate_caches()

    def forget(self) -> None:
        """Drop from ``sys.modules`` what was imported before and is hidden now."""
        gone = set()
        for name, module in list(sys.modules.items()):
            places = [getattr(module, "__file__", None), *_folders(module)]
            if name != "__main__" and "." not in name and self.hides(name, places):
                gone.add(name)
        for name in [name for name in sys.modules if name.split(".", 1)[0] in gone]:
            del sys.modules[name]


def guard(allowed: Collection[str], own: Sequence[str]) -> None:
    """From now on this process imports only what a function may. There is no way back."""
    imports = Imports(allowed, own, list(sys.meta_path))
    sys.meta_path[:] = [imports]
    imports.forget()


def _folders(module: ModuleType | None) -> list[str]:
    try:
        return [str(place) for place in getattr(module, "__path__", None) or ()]
    except (KeyError, TypeError):  # a namespace package whose parent is gone; a module that makes attributes up
        return []


def _below(place: str, folders: Iterable[str]) -> bool:
    return any(place == folder or place.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def _only_asked() -> bool:
    """Whether it is ``importlib.util.find_spec`` that looks: it answers None for what isn't there, and never raises."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") == "importlib._bootstrap":
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__") == "importlib.util"
