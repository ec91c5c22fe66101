"""The optimum of a linear model: mean loss + ``wd``/2 · |w|² + ``l1`` · |w|₁, by scikit-learn where it has the loss.

Rows are standardized already. ``solve`` gives the weights (outputs × features) and the biases (outputs); one output,
or one a class when there are more than two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from local_region.containers.builtin.algorithm import Array

#: scikit-learn's gradient methods need some regularization to be defined
_LEAST = 1e-9
_PASSES = 1000
#: width of the parabola that replaces the kink of a quantile's loss, in standard deviations of the label
_SMOOTH = 1e-3


def solve(
    loss: str, rows: Any, labels: Array, weights: Array, wd: float, l1: float, bias: bool, values: Mapping[str, Any]
) -> tuple[Array, Array]:
    """``weights``: one for each row. ``values``: the hyperparameters that belong to a loss."""
    if loss in ("logistic", "softmax_loss"):
        return _logistic(rows, labels, weights, wd, l1, bias)
    if loss == "squared_loss":
        return _squares(rows, labels, weights, wd, l1, bias)
    if loss == "hinge_loss":
        return _hinge(rows, labels, weights, wd, l1, bias, values["margin"])
    if loss in ("absolute_loss", "quantile_loss"):
        quantile = values["quantile"] if loss == "quantile_loss" else 0.5
        return _quantile(rows, labels, weights, wd, l1, bias, quantile)
    return _by_gradients(loss, rows, labels, weights, wd, l1, bias, values)


def _columns(model: Any, bias: bool) -> tuple[Array, Array]:
    coefficients = np.atleast_2d(np.asarray(model.coef_, np.float64))
    return coefficients, np.atleast_1d(model.intercept_).astype(np.float64) if bias else np.zeros(len(coefficients))


def _logistic(rows: Any, labels: Array, weights: Array, wd: float, l1: float, bias: bool) -> tuple[Array, Array]:
    from sklearn.linear_model import LogisticRegression

    strength = wd + l1
    model = LogisticRegression(
        C=1.0 / (strength * weights.sum()) if strength else np.inf,
        l1_ratio=l1 / strength if strength else 0.0,
        solver="saga" if l1 else "lbfgs",
        fit_intercept=bias,
        max_iter=_PASSES,
        random_state=0,
    )
    return _columns(model.fit(rows, labels, sample_weight=weights), bias)


def _squares(rows: Any, labels: Array, weights: Array, wd: float, l1: float, bias: bool) -> tuple[Array, Array]:
    from sklearn.linear_model import ElasticNet, Ridge

    model: Any
    if l1:
        model = ElasticNet(alpha=wd + l1, l1_ratio=l1 / (wd + l1), fit_intercept=bias, random_state=0)
    else:
        model = Ridge(alpha=wd * weights.sum(), fit_intercept=bias, random_state=0)
    return _columns(model.fit(rows, labels, sample_weight=weights), bias)


def _hinge(
    rows: Any, labels: Array, weights: Array, wd: float, l1: float, bias: bool, margin: float
) -> tuple[Array, Array]:
    """scikit-learn's margin is 1: with a margin of m, weights are m times those of regularization m times as strong."""
    from sklearn.linear_model import SGDClassifier

    strength = max(margin * wd + l1, _LEAST)
    model = SGDClassifier(
        loss="hinge",
        penalty="elasticnet",
        alpha=strength,
        l1_ratio=l1 / strength,
        fit_intercept=bias,
        max_iter=_PASSES,
        average=True,
        random_state=0,
    )
    coefficients, biases = _columns(model.fit(rows, labels, sample_weight=weights), bias)
    return margin * coefficients, margin * biases


def _by_gradients(
    loss: str, rows: Any, labels: Array, weights: Array, wd: float, l1: float, bias: bool, values: Mapping[str, Any]
) -> tuple[Array, Array]:
    from sklearn.linear_model import SGDRegressor

    names = {
        "huber_loss": ("huber", values["huber_delta"]),
        "eps_insensitive_squared_loss": ("squared_epsilon_insensitive", values["loss_insensitivity"]),
        "eps_insensitive_absolute_loss": ("epsilon_insensitive", values["loss_insensitivity"]),
    }
    name, width = names[loss]
    strength = max(wd + l1, _LEAST)
    model = SGDRegressor(
        loss=name,
        epsilon=width,
        penalty="elasticnet",
        alpha=strength,
        l1_ratio=l1 / strength,
        fit_intercept=bias,
        max_iter=_PASSES,
        average=True,
        random_state=0,
    )
    return _columns(model.fit(rows, labels, sample_weight=weights), bias)


def _quantile(
    rows: Any, labels: Array, weights: Array, wd: float, l1: float, bias: bool, quantile: float
) -> tuple[Array, Array]:
    """By L-BFGS over a loss whose kink is rounded: scikit-learn's linear program takes minutes for 50,000 rows."""
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    share = weights / weights.sum()
    width = rows.shape[1]

    def objective(point: Array) -> tuple[float, Array]:
        w, b = point[:width], point[width] if bias else 0.0
        gap = labels - (rows @ w + b)
        near = np.abs(gap) < _SMOOTH
        slope = np.where(near, quantile - 0.5 + 0.5 * gap / _SMOOTH, np.where(gap > 0, quantile, quantile - 1.0))
        bend = np.where(near, 0.25 * (gap**2 / _SMOOTH + _SMOOTH), 0.5 * np.abs(gap))
        value = share @ (bend + (quantile - 0.5) * gap)
        smooth = np.sqrt(w**2 + _SMOOTH**2)
        value += 0.5 * wd * (w @ w) + l1 * smooth.sum()
        pull = -(share * slope)
        gradient = np.asarray(rows.T @ pull) + wd * w + l1 * w / smooth
        return float(value), np.append(gradient, pull.sum()) if bias else gradient

    start = np.zeros(width + bias)
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": _PASSES})
    return found.x[None, :width], found.x[width:] if bias else np.zeros(1)
