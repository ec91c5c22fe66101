"""AWS's framework images, which run a script of one's own.

>>> framework_of("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3").name
'sklearn'
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

_REPOSITORIES = {
    "sagemaker-scikit-learn": "sklearn",
    "sagemaker-xgboost": "xgboost",
    "pytorch-training": "pytorch",
    "pytorch-inference": "pytorch",
}
_IMAGE = re.compile(r"(?:.*/)?(?P<repository>[a-z-]+)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?")
MAPPED = "sagemaker-scikit-learn, pytorch-training, pytorch-inference (any version, with a script)"


class NoScript(Exception):
    """The image needs a script, and the request names none that can be run; the text says what is wrong."""


@dataclass(frozen=True)
class Framework:
    """``name``: sklearn, xgboost or pytorch. ``inference``: the image can only serve."""

    name: str
    inference: bool = False


@dataclass(frozen=True)
class Script:
    """``program``: the entry point. ``source``: an S3 URI, or a path as the container sees it."""

    program: str
    source: str


def framework_of(image: str) -> Framework | None:
    match = _IMAGE.fullmatch(image)
    if match is None or match["repository"] not in _REPOSITORIES:
        return None
    return Framework(_REPOSITORIES[match["repository"]], match["repository"] == "pytorch-inference")


def training_script(image: str, hyperparameters: Mapping[str, str]) -> Script | None:
    """The script of a training job; None for a built-in. The SDK sends the values as JSON, others send them bare.

    Raises ``NoScript`` when the image is of a framework that trains only scripts.
    """
    framework = framework_of(image)
    if framework is None:
        return None
    program = _bare(hyperparameters.get("sagemaker_program", ""))
    if not program:
        if framework.name == "xgboost":
            return None
        raise NoScript(
            f"The {framework.name} container trains a script: give the hyperparameters sagemaker_program (its name) "
            "and sagemaker_submit_directory (the sourcedir.tar.gz in S3)."
        )
    if framework.inference:
        raise NoScript("pytorch-inference only serves; train with the image pytorch-training.")
    source = _bare(hyperparameters.get("sagemaker_submit_directory", ""))
    if not source:
        raise NoScript("The hyperparameter sagemaker_submit_directory is missing: where the sourcedir.tar.gz lies.")
    _check_program(program)
    return Script(program, source)


def serving_script(framework: Framework, environ: Mapping[str, str], archived: bool) -> Script | None:
    """The script that a model is served by; None for XGBoost's own serving. ``archived``: the model's archive has a
    folder ``code`` with ``inference.py``."""
    program = environ.get("SAGEMAKER_PROGRAM", "")
    if program:
        _check_program(program)
        return Script(program, environ.get("SAGEMAKER_SUBMIT_DIRECTORY") or "/opt/ml/model/code")
    if framework.name == "pytorch":  # its container looks into the archive, and has defaults for all four functions
        return Script("inference.py" if archived else "", "/opt/ml/model/code")
    if framework.name == "xgboost":
        return None
    raise NoScript(
        f"The {framework.name} container serves by a script: set SAGEMAKER_PROGRAM and SAGEMAKER_SUBMIT_DIRECTORY "
        "in the model's Environment."
    )


def _check_program(program: str) -> None:
    path = PurePosixPath(program)
    if path.is_absolute() or ".." in path.parts:
        raise NoScript(f"The entry point {program!r} must be a path within the source directory.")


def _bare(value: str) -> str:
    try:
        plain = json.loads(value)
    except ValueError:
        return value
    return plain if isinstance(plain, str) else value
