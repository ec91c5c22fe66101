"""Bandits: shares against exact probabilities, forgetting, changes, and outcomes that haven't come."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from sluicegate.domain.experiment import Bandit, Cohort, Design, Tally, bandit, changes, weights
from sluicegate.domain.experiment.bandit import Belief, probability_best

DAY = 86400.0
TWO = Design("a", {"a": 0.5, "b": 0.5}, mode="bandit", outcome_window=0.0)
THREE = Design("a", {"a": 0.4, "b": 0.3, "c": 0.3}, mode="bandit", outcome_window=0.0)


def of(count: int, hits: int) -> Belief:
    return Belief(count, hits, 0.1)


@given(st.integers(1, 3_000), st.integers(1, 3_000), st.floats(0, 1), st.floats(0, 1))
@example(1, 1, 0.0, 1.0)
@example(300, 1, 0.78, 1.0)
@example(661, 978, 0.0, 0.0)
@settings(max_examples=15)
def test_the_probability_of_being_best_is_the_integral(one: int, other: int, rate: float, rate_too: float) -> None:
    hits, hits_too = round(one * rate), round(other * rate_too)
    first, second = stats.beta(1 + hits, 1 + one - hits), stats.beta(1 + hits_too, 1 + other - hits_too)
    # P(first > second), at first's quantiles
    expected, _ = integrate.quad(lambda u: second.cdf(first.ppf(u)), 0, 1, limit=400, epsabs=1e-6)
    found = probability_best(TWO, {"a": of(one, hits), "b": of(other, hits_too)})
    assert found["a"] == pytest.approx(expected, abs=4e-3) and sum(found.values()) == pytest.approx(1)


def test_of_three_lanes_against_drawing() -> None:
    known = {"a": of(500, 50), "b": of(300, 36), "c": of(60, 9)}
    chosen, wins, draws = random.Random(3), dict.fromkeys("abc", 0), 10_000
    for _ in range(draws):
        drawn = {lane: chosen.betavariate(1 + one.total, 1 + one.count - one.total) for lane, one in known.items()}
        wins[max(drawn, key=lambda lane: drawn[lane])] += 1
    found = probability_best(THREE, known)
    assert found == {lane: pytest.approx(count / draws, abs=0.02) for lane, count in wins.items()}


def test_means_are_normal() -> None:
    design = replace(TWO, goal="mean", low=0.0, high=10.0)
    known = {"a": Belief(400, 200, 0.04), "b": Belief(900, 468, 0.04)}
    error = math.sqrt(0.04 / 401 + 0.04 / 901)
    expected = stats.norm.cdf((468.5 / 901 - 200.5 / 401) / error)
    assert probability_best(design, known)["b"] == pytest.approx(float(expected), abs=1e-3)


def batch(end: float, **hits: int) -> dict[str, Cohort]:
    return {lane: Cohort(end, Tally.of_conversions(200, hit)) for lane, hit in hits.items()}


def series(*batches: dict[str, Cohort]) -> dict[str, list[Cohort]]:
    return {lane: [one[lane] for one in batches] for lane in batches[0]}


def test_lanes_share_equally_until_each_is_warm() -> None:
    cold = {"a": [Cohort(0, Tally.of_conversions(5_000, 900))], "b": [Cohort(0, Tally.of_conversions(99, 0))]}
    assert weights(TWO, cold, DAY, 500, 10_000) == {"a": 0.5, "b": 0.5}
    assert weights(TWO, {}, DAY, 500, 10_000) == {"a": 0.5, "b": 0.5}
    warm = cold | {"b": [Cohort(0, Tally.of_conversions(100, 0))]}
    assert weights(TWO, warm, DAY, 500, 10_000)["a"] > 0.99


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=6),
    st.sampled_from(["thompson", "ucb1", "epsilon_greedy"]),
    st.sampled_from([0.0, 0.002, 0.1, 0.5]),
    st.sampled_from([1.0, 0.8]),
    st.sampled_from([("conversion", "maximise"), ("mean", "minimise")]),
)
@settings(max_examples=30)
def test_shares_are_shares(
    hits: list[tuple[int, int, int]], policy: str, floor: float, discount: float, goal: tuple[str, str]
) -> None:
    design = replace(
        THREE,
        goal=goal[0],  # type: ignore[arg-type]
        direction=goal[1],  # type: ignore[arg-type]
        bandit=Bandit(policy=policy, floor=floor, discount=discount, warm_up=1),  # type: ignore[arg-type]
    )
    given_ = {
        lane: [Cohort(place, Tally.of_conversions(300, row[index])) for place, row in enumerate(hits)]
        for index, lane in enumerate("abc")
    }
    found = weights(design, given_, DAY, 500, 10_000)
    assert sum(found.values()) == pytest.approx(1) and min(found.values()) >= min(floor, 1 / 3) - 1e-12
    assert found == weights(design, {lane: one[::-1] for lane, one in given_.items()}, DAY, 500, 10_000)


def test_less_is_better_where_it_is_said_so() -> None:
    given_ = series(batch(0, a=20, b=60))
    assert weights(TWO, given_, DAY, 500, 10_000)["b"] > 0.9
    assert weights(replace(TWO, direction="minimise"), given_, DAY, 500, 10_000)["a"] > 0.9


def test_epsilon_greedy_and_ucb1() -> None:
    given_ = series(batch(0, a=20, b=60))
    greedy = replace(TWO, bandit=Bandit(policy="epsilon_greedy", epsilon=0.2))
    assert weights(greedy, given_, DAY, 500, 10_000) == {"a": pytest.approx(0.1), "b": pytest.approx(0.9)}
    # as one by one: the lane with the higher bound gets each part, until the bounds are even
    ucb = replace(TWO, bandit=Bandit(policy="ucb1"))
    found = weights(ucb, given_, DAY, 500, 10_000)
    assert 0.5 < found["b"] < 1
    after = {"a": 200 + 500 * found["a"], "b": 200 + 500 * found["b"]}
    log = 2 * math.log(900)
    bounds = [0.1 + math.sqrt(log / after["a"]), 0.3 + math.sqrt(log / after["b"])]
    assert found["a"] < 0.01 or bounds[0] == pytest.approx(bounds[1], abs=0.02)


def test_what_is_older_is_worth_less() -> None:
    given_ = series(batch(0, a=20, b=60), batch(1, a=60, b=20), batch(2, a=60, b=20))
    forgets = replace(TWO, bandit=Bandit(discount=0.5, detect_changes=False))
    known = bandit.beliefs(forgets, given_, DAY)
    assert known["a"].count == 350 and known["a"].total == 0.25 * 20 + 0.5 * 60 + 60
    remembers = bandit.beliefs(replace(TWO, bandit=Bandit(detect_changes=False)), given_, DAY)
    assert remembers["a"].count == 600 and remembers["a"].total == 140


def test_a_change_makes_everybody_begin_again() -> None:
    steady = [batch(place, a=20, b=40) for place in range(10)]
    assert bandit.beliefs(TWO, series(*steady), DAY)["b"].count == 2_000
    turned = [*steady, *(batch(10 + place, a=22, b=12) for place in range(6))]
    known = bandit.beliefs(TWO, series(*turned), DAY)
    assert known["a"].count == known["b"].count == 6 * 200 and known["b"].mean == pytest.approx(0.06)
    assert weights(TWO, series(*turned), DAY, 500, 10_000)["a"] > 0.9


def test_steady_lanes_seldom_seem_to_change() -> None:
    alarms = 0
    for seed in range(60):
        chosen = random.Random(seed)
        cohorts = [(float(end), 100.0, float(sum(chosen.random() < 0.1 for _ in range(100))), 0.0) for end in range(30)]
        alarms += changes.latest({"a": cohorts}) > -math.inf
    assert alarms <= 5  # .02 each: more than 5 of 60 has a probability of .001
    # two changes: the later one counts
    twice = [(float(end), 500.0, 500 * rate, 0.0) for end, rate in enumerate([0.1] * 5 + [0.3] * 5 + [0.1] * 5)]
    assert changes.latest({"a": twice, "b": []}) == 9.0


def test_an_outcome_that_may_still_come_is_no_failure() -> None:
    design = replace(TWO, outcome_window=DAY)
    old = {lane: Cohort(0, Tally.of_conversions(1_000, hits)) for lane, hits in (("a", 100), ("b", 150))}
    # b's newest exposures have hardly converted yet
    fresh = {"a": Cohort(1.5 * DAY, Tally(10, 1, 1, 1)), "b": Cohort(1.5 * DAY, Tally(5_000, 20, 20, 20))}
    before = weights(design, series(old), 1.6 * DAY, 500, 10_000)
    assert weights(design, series(old, fresh), 1.6 * DAY, 500, 10_000) == before
    assert before["b"] > 0.9


def test_what_waits_for_its_outcome_is_counted_as_explored() -> None:
    design = replace(TWO, outcome_window=DAY)
    old = {lane: Cohort(0, Tally.of_conversions(1_000, hits)) for lane, hits in (("a", 100), ("b", 108))}
    fresh = {lane: Cohort(1.5 * DAY, Tally(3_000, 20, 20, 20)) for lane in "ab"}
    alone = weights(design, series(old), 1.6 * DAY, 500, 10_000)
    assert weights(design, series(old, fresh), 1.6 * DAY, 500, 10_000)["a"] < alone["a"] < 0.5
    # where silence says nothing, only as many come as came of those whose time is over: here none of ten
    unknown = replace(design, silence="unknown")
    old = {lane: Cohort(0, replace(one.tally, exposures=10_000)) for lane, one in old.items()}
    few = weights(unknown, series(old, fresh), 1.6 * DAY, 5_000, 100_000)
    assert few["a"] > weights(design, series(old, fresh), 1.6 * DAY, 500, 10_000)["a"]


def test_what_is_soon_forgotten_is_not_worth_exploring_for() -> None:
    given_ = series(batch(0, a=20, b=26))
    steady, drifting = (replace(TWO, bandit=Bandit(discount=discount)) for discount in (1.0, 0.5))
    assert weights(drifting, given_, DAY, 500, 20_000)["a"] < weights(steady, given_, DAY, 500, 20_000)["a"] < 0.5
