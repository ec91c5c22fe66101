"""Unpacks the archive that it lies in, and runs ``sluicegate.job`` by what is in there: ``python prepare.pyz …``.

The archive has the package and, built for the image that it is meant for, wheels of what the package needs. Where they
don't fit the interpreter (on a machine of one's own) the interpreter's own packages are used.
"""

import platform
import sys
import tempfile
import zipfile
from pathlib import Path

LEAST = (3, 11)


def fits(wheel: str, version: tuple[int, int], machine: str) -> bool:
    """Whether a wheel is for this CPython and processor, by its name (PEP 427, PEP 425).

    >>> name = "duckdb-2.0.0-cp312-abi3-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"
    >>> fits(name, (3, 13), "x86_64"), fits(name, (3, 11), "x86_64"), fits(name, (3, 12), "aarch64")
    (True, False, False)
    """
    python, abi, place = wheel.removesuffix(".whl").split("-")[-3:]
    if place != "any" and not any(each.endswith(f"_{machine}") for each in place.split(".")):
        return False
    if "py3" in python.split("."):
        return True
    built = int(python.removeprefix("cp3"))
    return version[1] == built if abi != "abi3" else version[1] >= built


def main() -> int:
    version = sys.version_info[:2]
    if version < LEAST:
        sys.exit(f"Python {LEAST[0]}.{LEAST[1]} or newer is needed; this is {platform.python_version()}")
    folder = Path(tempfile.mkdtemp(prefix="sluicegate-"))
    with zipfile.ZipFile(Path(__file__).parent) as archive:
        archive.extractall(folder)
    wheels = sorted(folder.glob("wheels/*.whl"))
    if wheels and all(fits(wheel.name, version, platform.machine()) for wheel in wheels):
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
        said = f"{len(wheels)} wheels"
    else:
        said = "its own packages; " + ("the wheels are for another" if wheels else "no wheels were packed")
    sys.path.insert(0, str(folder))
    print(f"Python {platform.python_version()} with {said}", flush=True)
    from sluicegate.job import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
