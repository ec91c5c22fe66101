"""Selectable inference (``SAGEMAKER_INFERENCE_OUTPUT``): answers with labels and probabilities by name.

https://docs.aws.amazon.com/sagemaker/latest/dg/autopilot-automate-model-development-container-output.html says which
keys there are; keys that an objective doesn't have are answered NaN, as there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local_region.containers.common import recordio
from local_region.containers.common.content import RECORDIO
from local_region.containers.common.errors import UserError

if TYPE_CHECKING:
    from local_region.containers.xgboost.model import Model

_SCORE = {"predicted_score"}
_CLASSES = {"predicted_label", "labels", "raw_score", "raw_scores"}
_PROBABLE = _CLASSES | {"probability", "probabilities"}
KEYS_OF = {
    "reg:squarederror": _SCORE,
    "reg:logistic": _SCORE,
    "reg:gamma": _SCORE,
    "reg:absoluteerror": _SCORE,
    "reg:tweedie": _SCORE,
    "binary:logistic": _PROBABLE,
    "multi:softprob": _PROBABLE,
    "binary:logitraw": _CLASSES,
    "binary:hinge": _CLASSES,
    "multi:softmax": _CLASSES,
}


def keys(setting: str | None) -> list[str]:
    return setting.replace(" ", "").lower().split(",") if setting else []


def select(value: Any, wanted: list[str], objective: str, num_class: int) -> dict[str, Any]:
    """One row's answer. ``value`` is a number, or a list of numbers for ``multi:softprob``."""
    vector = value if isinstance(value, list) else [1.0 - value, value]
    best = max(value) if isinstance(value, list) else value
    label: float
    if isinstance(value, list):
        label = value.index(best)
    elif objective in ("binary:hinge", "multi:softmax"):
        label = value
    else:
        label = int(value > (0 if objective == "binary:logitraw" else 0.5))
    every = {
        "predicted_label": label,
        "labels": [0, 1] if objective.startswith("binary:") else list(range(num_class)),
        "probability": best,
        "probabilities": vector,
        "raw_score": best,
        "raw_scores": vector,
        "predicted_score": value,
    }
    return {key: every[key] if key in KEYS_OF[objective] else float("nan") for key in wanted}


def encode(predictions: Any, wanted: list[str], model: Model, accept: str, batch: bool) -> bytes:
    """As the built-in: JSON ``{"predictions": […]}``, JSON lines, or CSV with lists in quotation marks."""
    if model.objective not in KEYS_OF:
        raise UserError(f"Objective `{model.objective}` unsupported for selectable inference predictions.")
    rows = [select(value, wanted, model.objective, model.num_class) for value in predictions.tolist()]
    if accept == "application/json":
        return json.dumps({"predictions": rows}).encode()
    if accept == "application/jsonlines":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if accept == RECORDIO:
        return b"".join(map(recordio.encode_answer, rows))
    lines = (
        ",".join(f'"{row[key]}"' if isinstance(row[key], list) else str(row[key]) for key in wanted) for row in rows
    )
    return ("\n".join(lines) + ("\n" if batch else "")).encode()
