"""Rows that are equal in their features, against counting them one by one."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.domain.duplicates import duplicates

Row = tuple[int, bool, int]
ROWS = st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 2)), min_size=1, max_size=60)


def counted(rows: list[Row], classes: int) -> tuple[int, int, float, int, int, int]:
    labels: dict[int, list[int]] = defaultdict(list)
    for same, _, label in rows:
        labels[same].append(label)
    contradicting = sum(len(group) for group in labels.values() if len(set(group)) > 1)
    every = [label for _, _, label in rows]
    wrong = 0
    if classes:
        wrong = sum(len(group) - max(Counter(group).values()) for group in labels.values())
        otherwise = len(rows) - max(Counter(every).values())
        unreachable = wrong / otherwise if otherwise else 0.0
    else:
        spread = float(np.var(every)) * len(rows)
        unreachable = sum(float(np.var(group)) * len(group) for group in labels.values()) / spread if spread else 0.0
    learned = {same for same, held, _ in rows if not held}
    pairs = {(same, label) for same, held, label in rows if not held}
    repeated = sum(held and same in learned for same, held, _ in rows)
    copied = sum(held and (same, label) in pairs for same, held, label in rows)
    return contradicting, wrong, unreachable, sum(held for _, held, _ in rows), repeated, copied


@given(ROWS, st.sampled_from([0, 3]), st.randoms(use_true_random=False))
def test_as_counted_one_by_one_in_any_order(rows: list[Row], classes: int, order: object) -> None:
    same, held, labels = (np.array(part) for part in zip(*rows, strict=True))
    places = np.random.default_rng(order.getrandbits(32)).permutation(len(rows))  # type: ignore[attr-defined]
    found = duplicates(same.astype(np.uint64)[places], held[places], labels.astype(np.float64)[places], classes)
    contradicting, wrong, unreachable, *rest = counted(rows, classes)
    assert (found.rows, found.contradicting, found.wrong) == (len(rows), contradicting, wrong)
    assert (found.held, found.learned, found.copied) == tuple(rest)
    assert found.unreachable == pytest.approx(unreachable, abs=1e-9)


def test_no_rows_are_nothing() -> None:
    empty = np.zeros(0)
    assert duplicates(empty.astype(np.uint64), empty.astype(bool), empty, 2).rows == 0
