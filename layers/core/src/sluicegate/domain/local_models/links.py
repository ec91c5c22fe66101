"""From margins to answers, in 32 bits as XGBoost computes them where it is XGBoost's.

Source: XGBoost's ``src/common/math.h`` (``Sigmoid``, ``Softmax``) and ``src/objective/`` (each objective's
``PredTransform``).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence

Link = Callable[[Sequence[float]], list[float]]

#: beyond it exp has no 32-bit value
_LARGEST = 88.7


def _single(values: Sequence[float]) -> list[float]:
    return array("f", values).tolist()


def identity(margins: Sequence[float]) -> list[float]:
    return list(margins)


def logistic(margins: Sequence[float]) -> list[float]:
    """
    >>> logistic([0.0])
    [0.5]
    """
    return _single([1.0 / (1.0 + math.exp(min(-margins[0], _LARGEST)))])


def exponential(margins: Sequence[float]) -> list[float]:
    """
    >>> exponential([0.0]), exponential([100.0]), exponential([math.nan])
    ([1.0], [inf], [nan])
    """
    value = margins[0]
    return [math.inf] if value >= 89 else _single([math.exp(value)])


def softmax(margins: Sequence[float]) -> list[float]:
    highest = max(margins)
    powers = [math.exp(margin - highest) for margin in margins]
    total = sum(powers)
    return _single([power / total for power in powers])


def wide_logistic(margins: Sequence[float]) -> list[float]:
    """In 64 bits."""
    return [0.5 * (1.0 + math.tanh(0.5 * margins[0]))]


def wide_softmax(margins: Sequence[float]) -> list[float]:
    highest = max(margins)
    powers = [math.exp(margin - highest) for margin in margins]
    total = sum(powers)
    return [power / total for power in powers]


LINKS: Mapping[str, Link] = {
    "identity": identity,
    "logistic": logistic,
    "exponential": exponential,
    "softmax": softmax,
    "wide-logistic": wide_logistic,
    "wide-softmax": wide_softmax,
}
