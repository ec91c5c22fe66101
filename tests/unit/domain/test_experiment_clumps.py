"""Design effects against simple cases that can be reckoned, and what they do to each test of an experiment."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sluicegate.domain.experiment import Cohort, Design, Tally, guardrails, look, weights
from sluicegate.domain.experiment.bandit import beliefs
from sluicegate.domain.experiment.clumps import Clump, Clumps, allowance, clumps, together
from sluicegate.domain.experiment.estimates import effect
from sluicegate.domain.experiment.tally import Bucket, Latency, counted
from sluicegate.domain.traffic import BUCKETS, assign, bucket

HALVES = Design("a", {"a": 0.5, "b": 0.5})
NONE = Clumps({"a": Clump(), "b": Clump()})


def lane(seed: int, subjects: int, times: int, rate: float, *, alike: float, errors: float = 0.0) -> Tally:
    """A lane whose ``subjects`` ask ``times`` each: a part ``alike`` of them says the same each time."""
    chosen = random.Random(seed)
    found: dict[int, Bucket] = defaultdict(Bucket)
    for number in range(subjects):
        whole = chosen.random() < alike
        hits = times * (chosen.random() < rate) if whole else sum(chosen.random() < rate for _ in range(times))
        failed = times if chosen.random() < errors else 0
        found[bucket(f"{seed}-{number}", "salt")] += Bucket(times, times, float(hits), failed)
    total = sum(one.total for one in found.values())
    count = subjects * times
    return Tally(count, count, total, total, sum(one.errors for one in found.values()), buckets=dict(found))


def without_buckets(tally: Tally) -> Tally:
    return Tally(tally.exposures, tally.outcomes, tally.total, tally.squares, tally.errors, tally.latency)


def errors_of(hang: Clumps) -> tuple[float, float]:
    return hang.lanes["b"].errors, hang.lanes["a"].errors


def test_subjects_without_names_change_nothing() -> None:
    seen = {"a": without_buckets(lane(1, 900, 9, 0.1, alike=1)), "b": without_buckets(lane(2, 900, 9, 0.1, alike=1))}
    assert clumps(seen, 0, 1) == NONE
    assert clumps({"a": Tally(), "b": Tally()}, 0, 1) == NONE


def test_those_who_say_the_same_each_time_count_once() -> None:
    seen = {"a": lane(1, 900, 9, 0.1, alike=1), "b": lane(2, 900, 9, 0.1, alike=1)}
    hang = clumps(seen, 0, 1)
    # nine alike are one; 63 degrees of freedom: a standard error of .18 × 9
    assert all(one.outcomes == pytest.approx(9, abs=4.9) for one in hang.lanes.values())
    assert sum(one.outcomes for one in hang.lanes.values()) / 2 == pytest.approx(9, abs=3.4)
    assert hang.exposures == pytest.approx(9, abs=3.8)
    plain, ours = effect(seen["b"], seen["a"], 0, 1), effect(seen["b"], seen["a"], 0, 1, hang.of("b", "a"))
    assert plain is not None and ours is not None and ours.difference == plain.difference
    assert ours.error / plain.error == pytest.approx(3, abs=0.7)


def test_those_who_ask_once_are_seldom_taken_for_others() -> None:
    found = [
        clumps({"a": lane(seed, 3_000, 1, 0.1, alike=0), "b": lane(seed + 99, 3_000, 1, 0.1, alike=0)}, 0, 1)
        for seed in range(40)
    ]
    # two tests of 1 in 20 each: more than 12 of 40 has a probability below .0003
    assert sum(one != NONE for one in found) <= 12
    assert sum(lane.outcomes for one in found for lane in one.lanes.values()) / 80 < 1.06


def test_those_who_ask_often_without_hanging_together_lose_nothing_but_their_shares() -> None:
    hang = clumps({"a": lane(3, 900, 9, 0.1, alike=0), "b": lane(4, 900, 9, 0.1, alike=0)}, 0, 1)
    assert hang.exposures > 5
    assert all(one.outcomes < 1.6 for one in hang.lanes.values())


def test_some_without_names_weigh_as_they_are_many() -> None:
    alone = Tally.of_conversions(8_100, 810)
    half = {name: lane(seed, 900, 9, 0.1, alike=1) + alone for name, seed in (("a", 1), ("b", 2))}
    whole = {name: lane(seed, 900, 9, 0.1, alike=1) for name, seed in (("a", 1), ("b", 2))}
    mixed, named = clumps(half, 0, 1), clumps(whole, 0, 1)
    for name in "ab":
        assert mixed.lanes[name].outcomes == pytest.approx((1 + named.lanes[name].outcomes) / 2, rel=0.05)
        assert mixed.lanes[name].degrees > named.lanes[name].degrees


@pytest.mark.parametrize(("degrees", "within"), [(4, 0.06), (10, 0.01), (63, 0.001), (126, 0.001)])
def test_the_allowance_is_students(degrees: int, within: float) -> None:
    exact = (stats.t.isf(stats.norm.sf(3), degrees) / 3) ** 2
    assert exact <= allowance(degrees) <= exact * (1 + within)


def test_degrees_of_freedom_of_a_sum() -> None:
    assert together([(1.0, 63.0), (1.0, 63.0)]) == pytest.approx(126)
    assert together([(1.0, 63.0), (0.0, 63.0)]) == pytest.approx(63)
    assert together([(1.0, 63.0), (1.0, math.inf)]) == pytest.approx(252)
    assert together([(1.0, math.inf)]) == math.inf == allowance(math.inf) * math.inf


def test_one_subject_shows_nothing_however_often_it_asks() -> None:
    """2,000 conversions of one subject against none of another: two outcomes."""
    seen = {
        "a": Tally(2_000, 2_000, 0.0, 0.0, buckets={7: Bucket(2_000, 2_000, 0.0)}),
        "b": Tally(2_000, 2_000, 2_000.0, 2_000.0, 2_000, buckets={9: Bucket(2_000, 2_000, 2_000.0, 2_000)}),
    }
    hang = clumps(seen, 0, 1)
    found = effect(seen["b"], seen["a"], 0, 1, hang.of("b", "a"))
    assert found is not None and abs(found.z) < 0.1
    guard = guardrails.errors("b", seen["b"], seen["a"], 0.01, 0.01, errors_of(hang))
    assert not guard.harmed
    cohorts = {name: [Cohort(0, tally)] for name, tally in seen.items()}
    assert look(HALVES, cohorts, 3 * 86400, 0).decision.kind == "continue"


def test_errors_of_one_subject_in_a_hundred_are_no_harm_and_of_a_third_are() -> None:
    healthy = lane(1, 300, 20, 0.1, alike=0)
    for errors, harmed in ((0.01, False), (0.3, True)):
        ill = lane(2, 300, 20, 0.1, alike=0, errors=errors)
        hang = clumps({"a": healthy, "b": ill}, 0, 1)
        assert guardrails.errors("b", ill, healthy, 0.01, 0.01, errors_of(hang)).harmed == harmed
    # by exposures alone two subjects would be enough
    two = Tally(6_000, errors=120)
    assert guardrails.errors("b", two, Tally(6_000), 0.005, 0.01).harmed


def slow_lane(requests: dict[int, tuple[int, float]]) -> Tally:
    """Requests and their milliseconds, by bucket."""
    latency, buckets = Latency(), {}
    for number, (count, milliseconds) in requests.items():
        own = sum((Latency.of(milliseconds * (1 + place % 5 / 50)) for place in range(count)), Latency())
        latency, buckets[number] = latency + own, Bucket(count, timed=count, log_sum=own.log_sum)
    return Tally(sum(count for count, _ in requests.values()), latency=latency, buckets=buckets)


def test_one_subject_with_large_requests_makes_no_lane_slow() -> None:
    usual = dict.fromkeys(range(60), (10, 20.0))
    champion, heavy = slow_lane(usual), slow_lane({**usual, 61: (400, 60.0)})
    hang = clumps({"a": champion, "b": heavy}, 0, 1)
    factors = hang.lanes["b"].latency, hang.lanes["a"].latency
    assert guardrails.latency("b", heavy.latency, champion.latency, 0.2, 0.01).harmed
    assert not guardrails.latency("b", heavy.latency, champion.latency, 0.2, 0.01, factors).harmed
    slow = slow_lane(dict.fromkeys(range(60), (10, 40.0)))
    hang = clumps({"a": champion, "b": slow}, 0, 1)
    factors = hang.lanes["b"].latency, hang.lanes["a"].latency
    assert guardrails.latency("b", slow.latency, champion.latency, 0.2, 0.01, factors).harmed


def decision(**lanes: Tally) -> tuple[str, float | None, tuple[float, ...]]:
    found = look(HALVES, {name: [Cohort(0, tally)] for name, tally in lanes.items()}, 3 * 86400, 0)
    return found.decision.kind, found.srm_p, tuple(one.design_effect for one in found.lanes)


def test_a_look_allows_for_repeats() -> None:
    a, b = lane(11, 300, 20, 0.10, alike=1), lane(12, 330, 20, 0.13, alike=1)
    plain = decision(a=without_buckets(a), b=without_buckets(b))
    ours = decision(a=a, b=b)
    # 6,000 against 6,600 requests are no equal shares; 300 against 330 subjects are
    assert plain[0] == "invalid" and plain[1] is not None and plain[1] < 1e-4
    assert ours[0] == "continue" and ours[1] is not None and ours[1] > 0.2
    assert plain[2] == (1.0, 1.0) and min(ours[2]) > 8


def test_a_lane_counts_as_what_it_is_worth_before_anything_is_decided() -> None:
    a, b = lane(21, 40, 50, 0.10, alike=1), lane(22, 40, 50, 0.5, alike=1)
    found = look(HALVES, {"a": [Cohort(0, a)], "b": [Cohort(0, b)]}, 3 * 86400, 0)
    assert found.decision.kind == "continue"
    assert "2000 outcomes that count as" in found.reason and "of the 200 that each lane needs first" in found.reason


def test_a_bandit_is_as_sure_as_the_outcomes_are_worth() -> None:
    design = replace(HALVES, mode="bandit")
    a, b = lane(31, 300, 20, 0.10, alike=1), lane(32, 300, 20, 0.12, alike=1)
    plain = {name: [Cohort(0, without_buckets(tally))] for name, tally in (("a", a), ("b", b))}
    ours = {name: [Cohort(0, tally)] for name, tally in (("a", a), ("b", b))}
    sure, unsure = (max(weights(design, lanes, 3 * 86400, 100, 1_000_000).values()) for lanes in (plain, ours))
    assert unsure < sure and unsure < 0.999
    # what is still to come clumps as much: a plan compares it with the outcomes that there were
    believed = beliefs(design, ours, 3 * 86400)["b"]
    assert believed.clump > 2 and believed.count * believed.clump == pytest.approx(b.outcomes)


def test_what_counts_of_a_bucket() -> None:
    seen = Tally(10, 3, 2, 2, 1, buckets={5: Bucket(6, 2, 2.0, 1), 6: Bucket(1, 2, 0.0)})
    assert counted([Cohort(0, seen)], 9, 10, "zero").buckets == {5: Bucket(6, 0, 0.0, 1), 6: Bucket(1)}
    assert counted([Cohort(0, seen)], 10, 10, "zero").buckets == {5: Bucket(6, 6, 2.0, 1), 6: Bucket(1, 2, 0.0)}
    assert counted([Cohort(0, seen)], 9, 10, "unknown").buckets == seen.buckets


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, unique=True, max_size=30))
@settings(max_examples=20)
def test_a_subject_has_one_bucket(subjects: list[str]) -> None:
    for subject in subjects:
        assert 0 <= bucket(subject, "s") < BUCKETS
        assert bucket(subject, "s") == bucket(subject, "s")


def test_buckets_know_nothing_of_lanes() -> None:
    """Independence of both hashes: chi-square of 2 × 64 cells, 63 degrees of freedom."""
    table = [[0, 0] for _ in range(BUCKETS)]
    for number in range(12_800):
        slot = assign(f"s{number}", {"a": 1.0, "b": 1.0}, "salt")
        table[bucket(f"s{number}", "salt")][slot == "b"] += 1
    assert stats.chi2_contingency(table).pvalue > 1e-3
    assert stats.chisquare([sum(row) for row in table]).pvalue > 1e-3
