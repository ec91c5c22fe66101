"""Boosted trees, walked. A node is a tuple, a leaf its value; children stand behind their parents, side by side.

A member of the document::

    {"base": margin before the first tree, "outputs": k, "groups": [output of each tree], "roots": [index of each root],
     "features": i32 (-1: a leaf), "values": f32 (a split's threshold, a leaf's value), "left": i32 (the right child
     stands behind it), "missing": u8 (1: to the left), "categories": {index: [category, …]}}

A row goes left where its value is below the threshold. Of a split on categories, those listed go to the right.
Additions are in 32 bits and in the trees' order, as in XGBoost (``src/predictor/cpu_predictor.cc``): with some hundred
trees the sum would differ in the sixth digit otherwise.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluicegate.domain.local_models.packing import unpack

#: (feature, threshold or categories, left, right, where a missing value goes), or a leaf's value
Node = Any
#: XGBoost's largest category: what a 32-bit float counts exactly
_LARGEST_CATEGORY = 2**24


def member(document: Mapping[str, Any], width: int) -> Callable[[Sequence[float]], list[float]]:
    """``ValueError`` or ``IndexError`` when it isn't laid out as above."""
    nodes = _nodes(document, width)
    roots, groups, outputs = document["roots"], document["groups"], int(document["outputs"])
    if len(roots) != len(groups) or outputs < 1 or not all(0 <= group < outputs for group in groups):
        raise ValueError("each tree has a root and an output")
    forest = [nodes[root] for root in roots]
    base = float(document["base"])
    leaf = _leaf_of_categories if document["categories"] else None
    if leaf is None and outputs == 1:
        return lambda row: _one_output(forest, base, row)
    walk = leaf or _leaf
    pairs = list(zip(groups, forest, strict=True))

    def margins(row: Sequence[float]) -> list[float]:
        totals = array("f", [base]) * outputs
        for group, tree in pairs:
            totals[group] += walk(tree, row)
        return totals.tolist()

    return margins


def _one_output(forest: Sequence[Node], base: float, row: Sequence[float]) -> list[float]:
    """The walk in one loop: calls would take as long again."""
    total = array("f", (base,))
    for node in forest:
        while node.__class__ is tuple:
            feature, threshold, left, right, missing = node
            value = row[feature]
            node = left if value < threshold else right if value >= threshold else missing
        total[0] += node
    return [total[0]]


def _leaf(node: Node, row: Sequence[float]) -> float:
    while node.__class__ is tuple:
        feature, threshold, left, right, missing = node
        value = row[feature]
        node = left if value < threshold else right if value >= threshold else missing
    return node  # type: ignore[no-any-return]


def _leaf_of_categories(node: Node, row: Sequence[float]) -> float:
    while node.__class__ is tuple:
        feature, threshold, left, right, missing = node
        value = row[feature]
        if value != value:
            node = missing
        elif isinstance(threshold, frozenset):
            listed = 0 <= value < _LARGEST_CATEGORY and int(value) in threshold
            node = right if listed else left
        else:
            node = left if value < threshold else right
    return node  # type: ignore[no-any-return]


def _nodes(document: Mapping[str, Any], width: int) -> list[Node]:
    """From the last to the first: a node's children are made before it."""
    features, lefts = unpack("i", document["features"]), unpack("i", document["left"])
    values, missing = unpack("f", document["values"]).tolist(), unpack("B", document["missing"])
    categories = {int(index): frozenset(listed) for index, listed in document["categories"].items()}
    count = len(features)
    if not len(lefts) == len(values) == len(missing) == count:
        raise ValueError("the arrays of nodes differ in length")
    nodes: list[Node] = list(values)
    for index in range(count - 1, -1, -1):
        feature = features[index]
        if feature < 0:
            continue
        left = int(lefts[index])
        if feature >= width or not index < left < count - 1:
            raise ValueError(f"node {index} points nowhere")
        threshold: object = categories.get(index, values[index])
        pair = nodes[left], nodes[left + 1]
        nodes[index] = (int(feature), threshold, *pair, pair[0] if missing[index] else pair[1])
    return nodes
