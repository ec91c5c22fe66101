"""How much a bandit explores: against integrals and drawing, and what more or less to come makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from sluicegate.domain.experiment import foresight
from sluicegate.domain.experiment.foresight import Prospect, gain, shares

NEAR = {"a": Prospect(0.100, 0.010, 1_000, 0, 0.24), "b": Prospect(0.110, 0.010, 1_000, 0, 0.76)}


@given(st.lists(st.tuples(st.floats(0, 0.1), st.floats(0.002, 0.05)), min_size=2, max_size=5))
@settings(max_examples=15)
def test_the_gain_is_the_integral(lanes: list[tuple[float, float]]) -> None:
    means, spread = [mean for mean, _ in lanes], [one for _, one in lanes]
    places = np.linspace(min(means) - 0.4, max(means) + 0.4, 20_001)
    below = np.prod([stats.norm.cdf(places, *lane) for lane in lanes], axis=0)
    expected = places[-1] - integrate.trapezoid(below, places) - max(means)
    assert gain(means, spread) == pytest.approx(expected, rel=5e-3, abs=2e-5)


def test_who_can_not_move_gains_nothing() -> None:
    assert gain([0.2, 0.1], [0.0, 0.0]) == 0
    assert gain([0.2, 0.1, 0.1], [0.0, 0.0, 0.0]) == pytest.approx(0, abs=1e-9)
    # a lane that is out of reach changes nothing for the others
    assert gain([0.2, 0.19, -5.0], [0.01, 0.02, 0.01]) == pytest.approx(gain([0.2, 0.19], [0.01, 0.02]), rel=1e-3)


def test_what_a_batch_moves_is_what_drawing_says() -> None:
    """Truths from the beliefs, outcomes from the truths, and then the mean of the lane that looks best."""
    random, size, batch = np.random.default_rng(4), 200_000, 500.0
    lanes = {"a": Prospect(0.10, 0.012, 625, 0, 0), "b": Prospect(0.11, 0.015, 400, 100, 0)}
    given_ = {"a": 0.3, "b": 0.7}
    after = []
    for lane, one in lanes.items():
        more = one.waiting + batch * given_[lane]
        one_outcome = one.deviation * one.count**0.5
        truth = random.normal(one.mean, one.deviation, size)
        seen = random.normal(truth, one_outcome / more**0.5)
        after.append((one.count * one.mean + more * seen) / (one.count + more))
    drawn = np.maximum(*after).mean() - 0.11
    left = 10_000.0
    expected = (foresight.FORESIGHT * left - batch) * drawn - batch * 0.3 * 0.01
    assert foresight._worth(lanes, given_, batch, left) == pytest.approx(expected, rel=0.03)


def test_the_less_is_to_come_the_less_it_explores() -> None:
    explored = [shares(NEAR, 500, left)["a"] for left in (100_000, 20_000, 5_000, 1_000)]
    assert explored == sorted(explored, reverse=True) and explored[0] > 0.3 and explored[-1] < 0.24
    assert shares(NEAR, 500, 20) == {"a": 0.0, "b": 1.0} == shares(NEAR, 500, 0)


def test_what_is_on_its_way_is_not_asked_for_again() -> None:
    waiting = {lane: replace(one, waiting=4_000) for lane, one in NEAR.items()}
    assert shares(waiting, 500, 20_000)["a"] < shares(NEAR, 500, 20_000)["a"]


def test_a_lane_out_of_reach_gets_nothing_and_does_not_matter() -> None:
    hopeless = NEAR | {"c": Prospect(0.02, 0.005, 1_000, 0, 1e-12)}
    found = shares(hopeless, 500, 20_000)
    assert found["c"] < 1e-4 and found["a"] == pytest.approx(shares(NEAR, 500, 20_000)["a"], abs=1e-3)
    # even with certainty nothing could be gained: no plan is needed
    assert shares({"b": NEAR["b"], "c": hopeless["c"]}, 500, 20_000) == {"b": 1.0, "c": 0.0}


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(1e-9, 0.5), st.floats(0, 1)), min_size=2, max_size=5),
    st.floats(1, 1e6),
    st.floats(0, 1e9),
)
@settings(max_examples=30)
def test_shares_are_shares_in_whatever_order(
    lanes: list[tuple[float, float, float]], batch: float, left: float
) -> None:
    known = {str(place): Prospect(mean, spread, 200, 5, best) for place, (mean, spread, best) in enumerate(lanes)}
    found = shares(known, batch, left)
    assert sum(found.values()) == pytest.approx(1) and min(found.values()) >= 0
    assert found == pytest.approx(shares(dict(reversed(known.items())), batch, left), abs=0.2)


def test_looking_often_does_not_stop_exploring() -> None:
    assert shares(NEAR, 10, 20_000) == shares(NEAR, 500, 20_000) != shares(NEAR, 10, 0)
