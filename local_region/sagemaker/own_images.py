"""Images of one's own: which folder stands in for which URI.

``images.yaml`` in the region's state folder (or the file that ``SLUICE_IMAGES`` names) maps an image's URI to a folder
with executables ``train`` and ``serve``; ``sluice up --image URI=FOLDER`` writes it. They are run by SageMaker's
container contract, except for the place of its files: ``/opt/ml`` belongs to the whole machine, so each run has a
folder of its own and ``SAGEMAKER_BASE_DIR`` says which. ``serve`` listens on ``SAGEMAKER_BIND_TO_PORT``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


class BadMapping(ValueError):
    """images.yaml, or what it names, can't be used; the text says why."""


def file_of(state_dir: Path, environ: Mapping[str, str] = os.environ) -> Path:
    named = environ.get("SLUICE_IMAGES")
    return Path(named) if named else state_dir / "images.yaml"


def read(file: Path) -> dict[str, Path]:
    """URI → folder. Empty when there is no such file; relative folders are relative to the file's."""
    try:
        document: Any = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadMapping(f"{file} can't be read: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(
        isinstance(uri, str) and isinstance(folder, str) for uri, folder in document.items()
    ):
        raise BadMapping(f"{file} must map image URIs to folders, a line each: <uri>: <folder>")
    return {uri: (file.parent / folder).resolve() for uri, folder in document.items()}


def add(file: Path, uri: str, folder: Path) -> None:
    """Write one mapping more. ``BadMapping`` when the folder has neither ``train`` nor ``serve``."""
    folder = folder.resolve()
    if not any(os.access(folder / name, os.X_OK) for name in ("train", "serve")):
        raise BadMapping(f"{folder} has no executable train or serve")
    mapped = {known: str(path) for known, path in read(file).items()} | {uri: str(folder)}
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(yaml.safe_dump(mapped, sort_keys=True))
    part.replace(file)


def executable(state_dir: Path, image: str, name: str) -> Path | None:
    """The ``train`` or ``serve`` that stands in for ``image``; None when the image is not mapped."""
    folder = read(file_of(state_dir)).get(image)
    if folder is None:
        return None
    path = folder / name
    if not os.access(path, os.X_OK):
        raise BadMapping(f"Image {image} is mapped to {folder}, which has no executable {name}.")
    return path
