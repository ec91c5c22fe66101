"""What a look decides, why, and that the same numbers always decide the same."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.domain.experiment import Cohort, Design, Latency, Look, Tally, counted, look, weights
from sluicegate.domain.settings_experiment import Experiment

HOUR, DAY = 3600.0, 86400.0
HALVES = Design("v1", {"v1": 0.5, "v2": 0.5})


def lanes(**given: tuple[int, int]) -> dict[str, list[Cohort]]:
    """Exposures and conversions of each lane, long closed."""
    return {lane: [Cohort(0, Tally.of_conversions(*numbers))] for lane, numbers in given.items()}


def decided(design: Design, given: Mapping[str, list[Cohort]], days: float = 3, **more: Any) -> Look:
    found = look(design, given, days * DAY, 0, **more)
    assert found == look(design, given, days * DAY, 0, **more)
    json.dumps(found.to_json(), allow_nan=False)
    assert found.reason.endswith(".")
    return found


def outcome(found: Look) -> tuple[str, str | None]:
    return found.decision.kind, found.decision.lane


def test_a_better_challenger_is_promoted_and_a_worse_one_is_not() -> None:
    better = decided(HALVES, lanes(v1=(5_000, 500), v2=(5_000, 640)))
    assert outcome(better) == ("promote", "v2") and better.reason.startswith("v2 is better than v1: difference +0.028")
    (one,) = better.comparisons
    assert one.significant and one.p <= 0.05 and one.low is not None and 0 < one.low < one.difference
    assert one.lift == pytest.approx(0.28)
    worse = decided(HALVES, lanes(v1=(5_000, 640), v2=(5_000, 500)))
    assert outcome(worse) == ("keep", None) and "v2 is worse" in worse.reason
    # where fewer is better it is the other way round
    fewer = replace(HALVES, direction="minimise")
    assert outcome(decided(fewer, lanes(v1=(5_000, 500), v2=(5_000, 640)))) == ("keep", None)
    assert outcome(decided(fewer, lanes(v1=(5_000, 640), v2=(5_000, 500)))) == ("promote", "v2")


def test_nothing_shown_goes_on_until_the_time_is_over() -> None:
    given = lanes(v1=(1_000, 100), v2=(1_000, 110))
    assert outcome(decided(HALVES, given)) == ("continue", None)
    ended = decided(HALVES, given, days=14)
    assert outcome(ended) == ("inconclusive", None) and ended.reason.startswith("The time is over and no difference")


def test_what_is_not_worth_finding_ends_it() -> None:
    found = decided(HALVES, lanes(v1=(9_000, 900), v2=(9_000, 900)))
    assert outcome(found) == ("keep", None) and "v2 is not better by 0.02" in found.reason


def test_nothing_is_decided_before_each_lane_was_seen_enough() -> None:
    given = lanes(v1=(199, 0), v2=(199, 150))
    waits = decided(HALVES, given)
    assert outcome(waits) == ("continue", None) and "199 outcomes that count, of the 200" in waits.reason
    assert outcome(decided(HALVES, given, days=14)) == ("inconclusive", None)
    assert outcome(decided(HALVES, {})) == ("continue", None)
    assert outcome(decided(HALVES, {}, days=14)) == ("inconclusive", None)


def test_traffic_that_is_not_as_planned_makes_it_invalid() -> None:
    found = decided(HALVES, lanes(v1=(6_000, 600), v2=(5_000, 900)))
    assert outcome(found) == ("invalid", None)
    assert "v1 54.5% instead of 50.0%" in found.reason and found.srm_p is not None and found.srm_p < 0.001


def test_harm_stops_at_once() -> None:
    fails = {"v1": [Cohort(DAY * 3, Tally(100, errors=0))], "v2": [Cohort(DAY * 3, Tally(100, errors=50))]}
    found = decided(HALVES, fails)
    assert outcome(found) == ("stop_for_harm", "v2") and "fails 50.00% of its requests" in found.reason
    slow = sum((Latency.of(80 + place % 7) for place in range(300)), Latency())
    quick = sum((Latency.of(20 + place % 3) for place in range(300)), Latency())
    given = {"v1": [Cohort(0, Tally(300, latency=quick))], "v2": [Cohort(0, Tally(300, latency=slow))]}
    found = decided(HALVES, given)
    assert outcome(found) == ("stop_for_harm", "v2") and "20% more would be allowed" in found.reason
    assert outcome(decided(replace(HALVES, errors=None, latency=None), given)) != ("stop_for_harm", "v2")
    (bandit,) = [decided(replace(HALVES, mode="bandit"), fails)]
    assert outcome(bandit) == ("stop_for_harm", "v2")


def test_of_several_challengers_the_best_is_promoted_and_each_has_its_share_of_alpha() -> None:
    three = Design("v1", {"v1": 0.4, "v2": 0.3, "v3": 0.3})
    found = decided(three, lanes(v1=(8_000, 800), v2=(6_000, 780), v3=(6_000, 900)))
    assert outcome(found) == ("promote", "v3")
    assert sorted(one.threshold for one in found.comparisons) == [0.025, 0.05]  # Holm
    fixed = replace(three, horizon=6_000)
    found = decided(fixed, lanes(v1=(8_000, 800), v2=(6_000, 600), v3=(6_000, 605)))
    assert outcome(found) == ("keep", None)
    # all that is spent at a single look: Bonferroni's half
    assert all(one.threshold == pytest.approx(0.025, abs=1e-6) for one in found.comparisons)


def test_holm_stops_at_the_first_that_is_not_rejected() -> None:
    three = Design("v1", {"v1": 0.4, "v2": 0.3, "v3": 0.3})
    found = decided(three, lanes(v1=(4_000, 400), v2=(3_000, 366), v3=(3_000, 372)))
    p = {one.lane: one.p for one in found.comparisons}
    assert p["v3"] < p["v2"]
    if p["v3"] > 0.025:
        assert not any(one.significant for one in found.comparisons)


def test_with_a_horizon_looks_are_planned() -> None:
    design = replace(HALVES, horizon=4_000)
    first = decided(design, lanes(v1=(1_000, 100), v2=(1_000, 115)))
    assert first.method == "group_sequential" and first.tested and first.information == 0.25
    (one,) = first.comparisons
    # Lan and DeMets: at a quarter of the information 4.333
    assert one.boundary == pytest.approx(4.333, abs=1e-3) and not one.significant
    soon = decided(design, lanes(v1=(1_100, 110), v2=(1_100, 127)), earlier=(0.25,))
    assert not soon.tested and soon.comparisons[0].boundary is None and outcome(soon) == ("continue", None)
    # delivered again, with itself recorded
    assert decided(design, lanes(v1=(1_000, 100), v2=(1_000, 115)), earlier=(0.25,)) == first
    later = decided(design, lanes(v1=(2_000, 200), v2=(2_000, 230)), earlier=(0.25,))
    assert later.comparisons[0].boundary == pytest.approx(2.963, abs=1e-3)
    end = decided(design, lanes(v1=(4_000, 400), v2=(4_000, 460)), earlier=(0.25, 0.5, 0.75))
    assert end.comparisons[0].boundary == pytest.approx(2.014, abs=1e-3)
    assert outcome(end) == ("promote", "v2")
    nothing = decided(replace(design, minimum_effect=0.01), lanes(v1=(4_000, 400), v2=(4_000, 415)))
    assert outcome(nothing) == ("inconclusive", None) and nothing.reason.startswith("All 4000 outcomes")


def test_time_that_is_over_spends_what_is_left() -> None:
    design = replace(HALVES, horizon=100_000)
    given = lanes(v1=(4_000, 400), v2=(4_000, 480))
    assert outcome(decided(design, given)) == ("continue", None)
    ended = decided(design, given, days=14)
    assert ended.comparisons[0].boundary == pytest.approx(1.96, abs=1e-3) and outcome(ended) == ("promote", "v2")


def test_the_slowest_lane_says_how_much_is_in() -> None:
    design = replace(HALVES, shares={"v1": 0.8, "v2": 0.2}, horizon=1_000)
    found = decided(design, lanes(v1=(2_000, 200), v2=(500, 50)))
    assert found.information == 0.5
    assert decided(design, lanes(v1=(1_900, 190), v2=(500, 50))).information == 0.475


def test_means_are_compared_too() -> None:
    design = replace(HALVES, goal="mean", low=0, high=50, minimum_effect=0.5, silence="unknown")
    one = Tally(3_000, 3_000, 3_000 * 4.0, 3_000 * (4.0**2 + 9.0))
    other = Tally(3_000, 3_000, 3_000 * 4.6, 3_000 * (4.6**2 + 9.0))
    found = decided(design, {"v1": [Cohort(0, one)], "v2": [Cohort(0, other)]})
    assert outcome(found) == ("promote", "v2")
    assert found.comparisons[0].z == pytest.approx(0.6 / math.sqrt(2 * 9 / 3_000), rel=0.02)


def test_what_counts_by_now() -> None:
    early = Cohort(10 * HOUR, Tally(100, 9, 9, 9, errors=1))
    late = Cohort(20 * HOUR, Tally(50, 5, 5, 5))
    zero = counted([early, late], 34 * HOUR, DAY, "zero")
    # the first one's window has closed: its 91 silent exposures are zeros; of the second nothing counts but that it was
    assert (zero.outcomes, zero.total, zero.exposures, zero.errors) == (100, 9, 150, 1)
    unknown = counted([early, late], 34 * HOUR, DAY, "unknown")
    assert (unknown.outcomes, unknown.total, unknown.exposures) == (14, 14, 150)
    # outcomes that overtook the log of their exposures
    assert counted([Cohort(0, Tally(3, 5, 2, 2))], DAY, DAY, "zero").outcomes == 5


tallies = st.builds(
    lambda n, k, e: Tally(n, n, float(min(k, n)), float(min(k, n)), min(e, n)),
    st.integers(0, 20_000),
    st.integers(0, 20_000),
    st.integers(0, 20),
)


@given(st.tuples(tallies, tallies, tallies), st.sampled_from([None, 5_000]), st.floats(0.1, 20), st.booleans())
@settings(max_examples=60)
def test_any_numbers_decide_something_once(
    given_: tuple[Tally, Tally, Tally], horizon: int | None, days: float, bandit: bool
) -> None:
    design = Design(
        "a", {"a": 0.4, "b": 0.3, "c": 0.3}, mode="bandit" if bandit else "ab", horizon=None if bandit else horizon
    )
    found = decided(design, {lane: [Cohort(0, one)] for lane, one in zip("abc", given_, strict=True)}, days)
    if days >= 14:
        assert found.decision.kind != "continue"
    if found.decision.kind == "promote":
        assert found.decision.lane in ("b", "c")
        assert min(one.outcomes for one in given_) >= design.minimum_exposure
    # the order of cohorts and how they are cut says nothing
    cut = {lane: [Cohort(0, Tally()), Cohort(0, one)] for lane, one in zip("cba", reversed(given_), strict=True)}
    assert decided(design, cut, days).decision == found.decision


@given(tallies, tallies)
def test_json_and_back(one: Tally, other: Tally) -> None:
    assert Tally.from_json(json.loads(json.dumps((one + other).to_json()))) == one + other
    assert Design.from_json(json.loads(json.dumps(HALVES.to_json()))) == HALVES


def test_a_design_that_makes_no_sense_is_refused() -> None:
    for wrong in (
        {"shares": {"v1": 1.0}},
        {"shares": {"v2": 0.5, "v3": 0.5}},
        {"shares": {"v1": 0.5, "v2": 0.6}},
        {"minimum_effect": 0.0},
        {"low": 1.0},
    ):
        with pytest.raises(ValueError, match=r"experiment of|shares|more than nothing"):
            replace(HALVES, **wrong)


def test_settings_become_a_design() -> None:
    design = Experiment().design("v1", ["v2", "v3"])
    assert design.shares == {"v1": 0.8, "v2": 0.1, "v3": 0.1} and design.silence == "zero"
    assert (design.max_duration, design.outcome_window, design.minimum_effect) == (14 * DAY, DAY, 0.02)
    mean = Experiment.model_validate({"goal": "mean", "reward": {"min": -10.0, "max": 40.0}})
    assert mean.design("v1", ["v2"]).minimum_effect == 1.0 and mean.silence == "unknown"
    bandit = Experiment.model_validate({"mode": "bandit", "bandit": {"policy": "ucb1", "floor": 0.02}})
    assert bandit.design("v1", ["v2", "v3"]).shares == {"v1": 1 / 3, "v2": 1 / 3, "v3": 1 / 3}
    assert bandit.design("v1", ["v2"]).bandit.policy == "ucb1"


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"reward": {"min": 0.0, "max": 2.0}}, "a conversion is 0 or 1"),
        ({"goal": "mean", "reward": {"min": 3.0, "max": 2.0}}, "a max above min"),
        ({"goal": "mean", "reward": {"min": 3.0, "max": 9.0}, "no_outcome": "zero"}, "zero is outside reward"),
        ({"minimum_effect": 1.0}, "less than the range"),
        ({"mode": "bandit", "horizon": 500}, "it ends at max_duration"),
        ({"mode": "bandit", "traffic": 0.3}, "shares traffic by itself"),
        ({"bandit": {"floor": 0.1}}, "name mode bandit"),
        ({"outcome_window": "14d"}, "less than max_duration"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given_: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Experiment.model_validate(given_)


def test_weights_go_to_whoever_is_asked() -> None:
    design = replace(HALVES, mode="bandit")
    shares = weights(design, lanes(v1=(2_000, 200), v2=(2_000, 300)), DAY, 500, 10_000)
    assert shares == {"v1": pytest.approx(0.001), "v2": pytest.approx(0.999)}
