"""The same models as in ``compiled``, evaluated over many rows at once (numpy): for measuring, not for predicting.

Rows are (n, width) in 32 bits, NaN where a value is missing. Trees are walked level by level, all rows through some
trees at a time. Sums are in 64 bits here, so answers differ from the container's in the seventh digit; rows that reach
the same leaves answer the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sluicegate.domain.local_models import NoLocalModel
from sluicegate.domain.local_models.packing import Code, unpack

Rows = NDArray[np.float32]
Floats = NDArray[np.float64]
Places = NDArray[np.intp]
#: of a member, what it found for rows before some of their features changed
Kept = NDArray[np.float32]

#: (row, tree) pairs that are walked together: what they take stays in a processor's cache
_TOGETHER = 1 << 15
#: so many products take the time of a visit to a node
_PRODUCTS = 16


class _Member(Protocol):
    def steps(self, features: Places) -> int: ...
    def kept(self, rows: Rows) -> Kept: ...
    def margins(self, rows: Rows, kept: Kept, features: Places) -> Floats: ...  # (n, outputs)


class InBulk:
    """A document of ``local_models``. ``NoLocalModel`` when it isn't evaluated here."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.width = int(document["width"])
        self._members = [_KINDS[document["kind"]](member, self.width) for member in document["members"]]
        self._link = _LINKS[document["link"]]

    def steps(self, features: Places) -> int:
        """What a row costs when ``features`` have changed, in nodes that are visited; 0 when the model doesn't use
        them."""
        return sum(member.steps(features) for member in self._members)

    def over(self, rows: Rows) -> Over:
        return Over(self._members, self._link, rows)


class Over:
    """A model over ``rows``: what a change of some features doesn't touch is not computed again."""

    def __init__(self, members: Sequence[_Member], link: Callable[[Floats], Floats], rows: Rows) -> None:
        self.rows = rows
        self._link = link
        self._members = [(member, member.kept(rows)) for member in members]

    def scores(self, rows: Rows | None = None, features: Places | None = None) -> Floats:
        """(n, k): what the endpoint answers to the rows (see ``Algorithm.rows``), or to other ``rows`` that differ from
        them in ``features`` only."""
        changed = np.empty(0, np.intp) if features is None else features
        given = self.rows if rows is None else rows
        found = [self._link(member.margins(given, kept, changed)) for member, kept in self._members]
        return found[0] if len(found) == 1 else np.mean(found, axis=0)


class _Trees:
    """What is kept: (trees, n), the leaf that each row reaches."""

    def __init__(self, document: Mapping[str, Any], _width: int) -> None:
        if document["categories"]:
            raise NoLocalModel("trees that split on sets of categories are not evaluated in bulk")
        self._features = _array("i", document["features"]).astype(np.intp)
        self._values = _array("f", document["values"]).astype(np.float32)
        self._lefts = _array("i", document["left"]).astype(np.intp)
        self._missing = _array("B", document["missing"]).astype(bool)
        self._roots = np.asarray(document["roots"], np.intp)
        self._groups = np.asarray(document["groups"], np.intp)
        self._base, self._outputs = float(document["base"]), int(document["outputs"])
        splits = np.flatnonzero(self._features >= 0)
        self._split_features = self._features[splits]
        # a tree's nodes stand together, and trees in the order of their roots
        self._split_trees = np.searchsorted(self._roots, splits, side="right") - 1
        self._depths = self._depth_of_trees()

    def steps(self, features: Places) -> int:
        return int(self._depths[self._using(features)].sum())

    def kept(self, rows: Rows) -> Kept:
        return self._walked(rows, np.arange(len(self._roots)))

    def margins(self, rows: Rows, kept: Kept, features: Places) -> Floats:
        trees, leaves = self._using(features), kept
        if len(trees):
            leaves = kept.copy()
            leaves[trees] = self._walked(rows, trees)
        found = np.full((len(rows), self._outputs), self._base)
        for output in range(self._outputs):
            mine = leaves if self._outputs == 1 else leaves[self._groups == output]
            found[:, output] += mine.sum(axis=0, dtype=np.float64)
        return _single(found)

    def _using(self, features: Places) -> Places:
        return np.unique(self._split_trees[np.isin(self._split_features, features)])

    def _depth_of_trees(self) -> NDArray[np.int64]:
        """The splits on each tree's longest way."""
        depths = np.zeros(len(self._roots), np.int64)
        nodes, trees, depth = self._roots, np.arange(len(self._roots)), 0
        while True:
            inner = self._features[nodes] >= 0
            if not inner.any():
                return depths
            depth += 1
            nodes, trees = self._lefts[nodes[inner]], trees[inner]
            depths[trees] = depth
            nodes, trees = np.concatenate([nodes, nodes + 1]), np.concatenate([trees, trees])

    def _walked(self, rows: Rows, trees: Places) -> NDArray[np.float32]:
        """(trees, n): the value of the leaf that each row reaches."""
        count, width = rows.shape
        cells = rows.ravel()
        found = np.empty((len(trees), count), np.float32)
        starts = np.arange(count) * width
        some = max(1, _TOGETHER // max(count, 1))
        for first in range(0, len(trees), some):
            these = trees[first : first + some]
            nodes = np.repeat(self._roots[these], count)
            begins = np.tile(starts, len(these))
            reached = nodes.copy()
            places = np.arange(len(nodes))
            while True:
                features = self._features[nodes]
                inner = features >= 0
                if not inner.all():
                    reached[places[~inner]] = nodes[~inner]
                    nodes, begins, places, features = nodes[inner], begins[inner], places[inner], features[inner]
                    if not len(nodes):
                        break
                values = cells[begins + features]
                right = values >= self._values[nodes]
                absent = np.isnan(values)
                if absent.any():
                    right[absent] = ~self._missing[nodes[absent]]
                nodes = self._lefts[nodes] + right
            found[first : first + some] = self._values[reached].reshape(len(these), count)
        return found


class _Linear:
    """Nothing is kept: the sums are as soon made anew."""

    def __init__(self, document: Mapping[str, Any], width: int) -> None:
        self._bias = np.asarray(document["bias"], np.float64)
        self._weights = _weights(document, width)

    def steps(self, features: Places) -> int:
        return 1 + self._weights.size // _PRODUCTS if self._weights[:, features].any() else 0

    def kept(self, rows: Rows) -> Kept:
        return rows[:0]

    def margins(self, rows: Rows, kept: Kept, features: Places) -> Floats:  # noqa: ARG002
        present = np.where(np.isnan(rows), np.float32(0), rows).astype(np.float64)
        # not by BLAS, whose order of additions depends on a row's place: rows that are alike would differ
        found: Floats = np.einsum("nf,of->no", present, self._weights) + self._bias
        return found


def weights(document: Mapping[str, Any]) -> Floats:
    """(width,): of a linear document, the absolute weights of each feature over all outputs and members."""
    width = int(document["width"])
    found: Floats = np.sum([np.abs(_weights(member, width)).sum(axis=0) for member in document["members"]], axis=0)
    return found


def _weights(member: Mapping[str, Any], width: int) -> Floats:
    """(outputs, width)."""
    flat = _array("f" if member["precision"] == "single" else "d", member["weights"])
    found: Floats = flat.astype(np.float64).reshape(len(member["bias"]), width)
    return found


def _array(code: Code, text: str) -> NDArray[Any]:
    return np.asarray(unpack(code, text))


def _single(values: Floats) -> Floats:
    return values.astype(np.float32).astype(np.float64)


def _logistic(margins: Floats) -> Floats:
    return _single(_wide_logistic(margins))


def _wide_logistic(margins: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * margins))


def _exponential(margins: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return _single(np.exp(margins))


def _softmax(margins: Floats) -> Floats:
    return _single(_wide_softmax(margins))


def _wide_softmax(margins: Floats) -> Floats:
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    found: Floats = powers / powers.sum(axis=1, keepdims=True)
    return found


_KINDS: Mapping[str, Callable[[Mapping[str, Any], int], _Member]] = {"trees": _Trees, "linear": _Linear}
#: see ``links``
_LINKS: Mapping[str, Callable[[Floats], Floats]] = {
    "identity": lambda margins: margins,
    "logistic": _logistic,
    "exponential": _exponential,
    "softmax": _softmax,
    "wide-logistic": _wide_logistic,
    "wide-softmax": _wide_softmax,
}
