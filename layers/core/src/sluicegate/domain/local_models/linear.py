"""Linear models: a bias and a weighted sum.

A member of the document: ``{"precision": "single" | "double", "weights": f32 or f64, an output's behind the one before,
"bias": [of each output]}``. A missing value adds nothing. In single precision each product and each sum is rounded, as
XGBoost's gblinear does (``src/gbm/gblinear.cc``).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluicegate.domain.local_models.packing import unpack


def member(document: Mapping[str, Any], width: int) -> Callable[[Sequence[float]], list[float]]:
    """``ValueError`` when it isn't laid out as above."""
    single = {"single": True, "double": False}[document["precision"]]
    flat = unpack("f" if single else "d", document["weights"]).tolist()
    biases = [float(bias) for bias in document["bias"]]
    if not biases or len(flat) != width * len(biases):
        raise ValueError("weights are not outputs × width")
    outputs = [(bias, flat[at * width : (at + 1) * width]) for at, bias in enumerate(biases)]
    total = _single if single else _double
    return lambda row: [total(bias, weights, row) for bias, weights in outputs]


def _single(bias: float, weights: Sequence[float], row: Sequence[float]) -> float:
    cells = array("f", (bias, 0.0))
    for weight, value in zip(weights, row, strict=True):
        if value == value:
            cells[1] = weight * value
            cells[0] += cells[1]
    return cells[0]


def _double(bias: float, weights: Sequence[float], row: Sequence[float]) -> float:
    return bias + sum(weight * value for weight, value in zip(weights, row, strict=True) if value == value)
