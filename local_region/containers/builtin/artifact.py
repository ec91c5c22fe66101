"""``model_algo-1``: what was learned, as numpy's npz of plain arrays and one JSON text.

The built-ins write an MXNet file of that name, or a zip of one; nobody but themselves is promised its layout. This one
can be read anywhere, and reading it runs no code: pickled arrays are refused.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from local_region.containers.builtin.algorithm import Algorithm, Model
from local_region.containers.common.errors import UserError

_ABOUT = "about.json"


def save(model: Model, algorithm: Algorithm, path: Path) -> None:
    """Atomically: a process that is ended while saving leaves nothing that looks like a model."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name("." + path.name)
    about = json.dumps({"algorithm": algorithm.name, **model.about})
    with part.open("wb") as sink:
        np.savez(sink, allow_pickle=False, **{_ABOUT: np.array(about), **model.arrays})
    part.replace(path)


def load(folder: Path, algorithm: Algorithm) -> Model:
    """``UserError`` says why it can't be loaded."""
    path = folder / "model_algo-1"
    if not path.is_file():
        raise UserError("The model archive holds no file model_algo-1.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
        about = json.loads(str(arrays.pop(_ABOUT)))
        if about["algorithm"] != algorithm.name:
            raise UserError(f"model_algo-1 is a model of {about['algorithm']}, not of {algorithm.name}.")
        return algorithm.load(arrays, about)
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"model_algo-1 cannot be loaded: {type(error).__name__}: {error}") from error
