"""Metrics over a holdout with 95 % bootstrap intervals, and the paired comparison of two models (numpy).

Shapes: ``labels`` (n,) of label indexes or numbers; ``predictions`` (n,) for binary (probability of the positive class) and
regression, (n, k) for multiclass (a probability for each class).
Percentile bootstrap: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 16.
"""

from __future__ import annotations
