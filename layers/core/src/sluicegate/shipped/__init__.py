"""Scripts that come with the application: they run in AWS's framework containers, never here.

``run.py`` is in every archive; ``lightgbm/`` and ``catboost/`` are script-mode models ready to use. The functions read
these files as data.
"""

from __future__ import annotations

from importlib.resources import files


def runner() -> bytes:
    """What runs a script's entry point (see ``run.py``)."""
    return files(__name__).joinpath("run.py").read_bytes()


def model(name: str) -> dict[str, bytes]:
    """The files of a ready-made model, by name: ``lightgbm`` or ``catboost``."""
    folder = files(__name__).joinpath(name)
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.name.endswith((".py", ".txt"))}


def preparation() -> bytes:
    """What starts the processing job's archive (see ``preparation/__main__.py``)."""
    return files(__name__).joinpath("preparation/__main__.py").read_bytes()
