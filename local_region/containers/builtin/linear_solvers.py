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
#: width of the parabola that replaces a loss's kink, in standard deviations of the label
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
    return _descent(loss, rows, labels, weights, wd, l1, bias, values)


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


def _bent(excess: Array) -> tuple[Array, Array]:
    """``excess`` where it is positive, its kink at 0 rounded; and the slope."""
    value = np.where(excess < _SMOOTH, 0.5 * excess**2 / _SMOOTH, excess - 0.5 * _SMOOTH)
    return np.where(excess > 0, value, 0.0), np.clip(excess / _SMOOTH, 0.0, 1.0)


def _of_gap(loss: str, gap: Array, values: Mapping[str, Any]) -> tuple[Array, Array]:
    """The loss of each row by label minus prediction, and its slope."""
    size, sign = np.abs(gap), np.sign(gap)
    if loss == "huber_loss":
        delta = values["huber_delta"]
        return np.where(size <= delta, 0.5 * gap**2, delta * (size - 0.5 * delta)), np.clip(gap, -delta, delta)
    if loss == "eps_insensitive_squared_loss":
        beyond = np.maximum(size - values["loss_insensitivity"], 0.0)
        return beyond**2, 2 * beyond * sign
    if loss == "eps_insensitive_absolute_loss":
        value, slope = _bent(size - values["loss_insensitivity"])
        return value, slope * sign
    quantile = values["quantile"] if loss == "quantile_loss" else 0.5
    scale = 1.0 if loss == "quantile_loss" else 2.0  # the absolute loss is twice that of the median
    (above, up), (below, down) = _bent(gap), _bent(-gap)
    return scale * (quantile * above + (1 - quantile) * below), scale * (quantile * up - (1 - quantile) * down)


def _descent(
    loss: str, rows: Any, labels: Array, weights: Array, wd: float, l1: float, bias: bool, values: Mapping[str, Any]
) -> tuple[Array, Array]:
    """By L-BFGS over the loss with rounded kinks: scikit-learn's own methods for these losses take minutes for 50,000
    rows (a linear program) or stop far from the optimum (stochastic gradients, small delta)."""
    from scipy.optimize import minimize

    share = weights / weights.sum()
    width = rows.shape[1]

    def objective(point: Array) -> tuple[float, Array]:
        w, b = point[:width], point[width] if bias else 0.0
        value, slope = _of_gap(loss, labels - (rows @ w + b), values)
        round_w = np.sqrt(w**2 + _SMOOTH**2)
        pull = -(share * slope)
        gradient = np.asarray(rows.T @ pull) + wd * w + l1 * w / round_w
        total = float(share @ value + 0.5 * wd * (w @ w) + l1 * round_w.sum())
        return total, np.append(gradient, pull.sum()) if bias else gradient

    options = {"maxiter": _PASSES, "ftol": 1e-10, "gtol": 1e-7}
    found = minimize(objective, np.zeros(width + bias), jac=True, method="L-BFGS-B", options=options)
    return found.x[None, :width], found.x[width:] if bias else np.zeros(1)
