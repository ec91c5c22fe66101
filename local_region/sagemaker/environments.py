"""The scripts' environments: venvs layered on the region's own packages, each made once and kept in a cache.

A layer sees the packages of those below it through a path file, and has its own before theirs. What makes a layer is
in its name, so a layer never changes: another lock, interpreter or requirements.txt is another layer.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import sys
import sysconfig
import threading
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local_region.containers import script as containers

CONTAINERS = Path(containers.__file__).parent
#: as the region's environment has no index of its own, this comes from wherever pip is set up to look
TORCH = "torch==2.13.0"
#: layers that no job used for this long are removed when another one is made
UNUSED_SECONDS = 30 * 86400.0
#: the kinds of layers that are removed
_COMES_AND_GOES = ("script",)
_LOCK_STEP = 0.2
#: settings of pip, of proxies and of certificates that installing needs; nothing else goes in
_PASSED = re.compile(r"(?i)(PIP_.*|.*_proxy|SSL_CERT_.*|REQUESTS_CA_BUNDLE|HOME|PATH|LANG|LC_ALL|TMPDIR|XDG_.*_HOME)")
_NOISE = re.compile(
    r"Requirement already satisfied|WARNING: Location|\[notice\]|Can't uninstall|Not uninstalling|^\s*$"
)
#: lines of a requirements.txt that name other files of the folder
_FILES = re.compile(r"^\s*(-r|-c|-e|--requirement|--constraint|--editable|\.|/|file:)", re.MULTILINE)
_PROBLEM_LENGTH = 800

#: by folder, the locks that say that this process uses a layer; held for as long as it lives
_in_use: dict[Path, IO[str]] = {}
_in_use_lock = threading.Lock()

Say = Callable[[str], None]
#: command, environment, folder, what to do with each line → exit status
Run = Callable[[Sequence[str], Mapping[str, str], Path, Say], int]


class NotMade(Exception):
    """pip could not do it; the text has its message."""


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """``SLUICE_CACHE_DIR``, else ``sluicegate`` in the user's cache folder."""
    named = environ.get("SLUICE_CACHE_DIR")
    if named:
        return Path(named)
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluicegate"


@dataclass(frozen=True)
class Layer:
    """A venv. ``paths``: where its packages are looked for, its own folder first, the region's last."""

    folder: Path
    paths: tuple[Path, ...]

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"


class Environments:
    """``run`` starts pip, and raises what ends a job that was stopped meanwhile."""

    def __init__(self, cache: Path, run: Run, say: Say, check: Callable[[], None]) -> None:
        self._root = cache / "script-environments"
        self._run, self._say, self._check = run, say, check

    def toolkit(self) -> Layer:
        """The region's packages, AWS's ``sagemaker-training`` and what the lock beside it says."""
        lock = CONTAINERS / "requirements.txt"
        framework = CONTAINERS / "sluice_framework.py"
        below = (Path(sysconfig.get_path("purelib")),)
        key = _digest(sys.version, str(below[0]), sys.executable, lock.read_text(), framework.read_text())

        def fill(layer: Layer) -> None:
            self._pip(layer, ["--no-deps", "--require-hashes", "-r", str(lock)], lock.parent, "AWS's training toolkit")
            shutil.copy(framework, layer.paths[0])

        return self._layer("toolkit", key, below, fill, "the environment for scripts (once)")

    def pytorch(self) -> Layer:
        """The toolkit and PyTorch."""
        base = self.toolkit()

        def fill(layer: Layer) -> None:
            hint = (
                f"; the region installs {TORCH} from where pip is set up to look: set PIP_EXTRA_INDEX_URL or "
                "PIP_FIND_LINKS to a place that has it and start the region again"
            )
            self._pip(layer, [TORCH], layer.folder, "PyTorch", hint)

        key = _digest(base.folder.name, TORCH)
        return self._layer("pytorch", key, base.paths, fill, f"the environment for PyTorch, with {TORCH} (once)")

    def with_requirements(self, base: Layer, code: Path) -> Layer:
        """``base`` and what the script's requirements.txt asks for; ``base`` itself when there is none."""
        requirements = code / "requirements.txt"
        if not requirements.is_file():
            return base
        text = requirements.read_text(errors="replace")
        parts = [base.folder.name, text]
        if _FILES.search(text):
            for path in sorted(code.rglob("*")):
                if path.is_file():
                    parts += [str(path.relative_to(code)), hashlib.sha256(path.read_bytes()).hexdigest()]

        def fill(layer: Layer) -> None:
            self._pip(layer, ["-r", str(requirements)], code, "the script's requirements.txt")

        return self._layer("script", _digest(*parts), base.paths, fill, "the environment for this requirements.txt")

    def _layer(self, name: str, key: str, below: tuple[Path, ...], fill: Callable[[Layer], None], called: str) -> Layer:
        folder = self._root / f"{name}-{key}"
        own = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        layer = Layer(folder, (own, *below))
        complete = folder / "complete"
        self._root.mkdir(parents=True, exist_ok=True)
        if name in _COMES_AND_GOES:
            _use(folder)  # before it is looked at: from here on nobody removes it
        if not complete.exists():
            with self._lock(folder.with_suffix(".lock"), called):
                if not complete.exists():  # another job may just have made it
                    self._make(layer, fill, called)
                    complete.touch()
            self._forget_unused()
        os.utime(complete)
        return layer

    def _make(self, layer: Layer, fill: Callable[[Layer], None], called: str) -> None:
        began = time.monotonic()
        self._say(f"Making {called}.")
        shutil.rmtree(layer.folder, ignore_errors=True)  # of an attempt that was broken off
        try:
            venv.create(layer.folder, symlinks=True, with_pip=False)
            (layer.paths[0] / "layers.pth").write_text("".join(f"{path}\n" for path in layer.paths[1:]))
            fill(layer)
        except BaseException:
            shutil.rmtree(layer.folder, ignore_errors=True)
            raise
        self._say(f"Made {called} in {time.monotonic() - began:.1f} s.")

    def _pip(self, layer: Layer, arguments: list[str], folder: Path, called: str, hint: str = "") -> None:
        """pip itself is the lowest layer's: a layer needs none of its own."""
        said: list[str] = []

        def listen(line: str) -> None:
            if not _NOISE.search(line):
                said.append(line)
                self._say(line)

        command = [str(layer.python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        command += ["--progress-bar", "off", *arguments]
        environ = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
        status = self._run(command, environ, folder, listen)
        if status != 0:
            errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")] or said[-3:]
            raise NotMade(f"{called} could not be installed: {' '.join(errors)[:_PROBLEM_LENGTH]}{hint}")

    @contextlib.contextmanager
    def _lock(self, path: Path, called: str) -> Iterator[None]:
        """The kernel's lock, which ends with its holder. Waits as long as that works, unless the job is stopped."""
        with path.open("a") as file:
            told = False
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not told:
                        self._say(f"Waiting for another job, which makes {called}.")
                        told = True
                    self._check()
                    time.sleep(_LOCK_STEP)
            yield

    def _forget_unused(self) -> None:
        """Only layers of requirements files, which come and go: nothing lies on top of them. One that a process
        uses, however long ago it began to, stays. Lock files stay, too: a name that is unlinked guards nothing."""
        for name in _COMES_AND_GOES:
            for complete in self._root.glob(f"{name}-*/complete"):
                folder = complete.parent
                with _used_path(folder).open("a") as file:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        if time.time() - complete.stat().st_mtime > UNUSED_SECONDS:
                            complete.unlink()  # first: what is left of a removal that breaks off is no layer
                            shutil.rmtree(folder, ignore_errors=True)
                    except (BlockingIOError, FileNotFoundError):
                        continue  # it is used, or another job has just removed it


def _used_path(folder: Path) -> Path:
    return folder.with_suffix(".used")


def _use(folder: Path) -> None:
    """Hold a layer until this process ends, with a lock that several hold at once. Waits for a removal under way."""
    with _in_use_lock:
        if folder not in _in_use:
            file = _used_path(folder).open("a")
            fcntl.flock(file, fcntl.LOCK_SH)
            _in_use[folder] = file


def _digest(*parts: str) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(f"{len(part)}:{part}".encode())
    return hasher.hexdigest()[:16]
