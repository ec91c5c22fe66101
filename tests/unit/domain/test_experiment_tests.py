"""The tests of experiments against published values, and the promises that hold for any numbers."""

from __future__ import annotations

import math
import random
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from sluicegate.domain.experiment import Latency, Tally, guardrails, sequential, srm
from sluicegate.domain.experiment import group_sequential as planned
from sluicegate.domain.experiment.estimates import Effect, effect
from sluicegate.domain.experiment.tally import variance


# Lan & DeMets' O'Brien-Fleming-like spending, two-sided .05: Reboussin, DeMets, Kim & Lan 2000, Controlled Clinical
# Trials 21(3), and every program since
@pytest.mark.parametrize(
    ("looks", "published"),
    [
        (1, (1.960,)),
        (2, (2.963, 1.969)),
        (3, (3.710, 2.511, 1.993)),
        (4, (4.333, 2.963, 2.359, 2.014)),
        (5, (4.877, 3.357, 2.680, 2.290, 2.031)),
    ],
)
def test_published_boundaries(looks: int, published: tuple[float, ...]) -> None:
    fractions = tuple(place / looks for place in range(1, looks + 1))
    assert planned.boundaries(fractions, 0.05) == pytest.approx(published, abs=6e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040), (10, 2.087)])
def test_the_classical_constants_spend_what_they_should(looks: int, constant: float) -> None:
    """O'Brien and Fleming's own boundaries c √(K / k): Jennison & Turnbull 2000, table 2.3, alpha .05."""
    fractions = [place / looks for place in range(1, looks + 1)]
    bounds = [constant * math.sqrt(looks / place) for place in range(1, looks + 1)]
    assert sum(planned.crossing(fractions, bounds)) == pytest.approx(0.05, abs=1e-4)


def test_pococks_constant_and_the_cost_of_looking() -> None:
    """Pocock 1977: 2.413 at each of five looks. At 1.96 five looks err in .142 (Armitage, McPherson & Rowe 1969)."""
    fractions = [place / 5 for place in range(1, 6)]
    assert sum(planned.crossing(fractions, [2.413] * 5)) == pytest.approx(0.05, abs=1e-4)
    assert sum(planned.crossing(fractions, [1.959964] * 5)) == pytest.approx(0.142, abs=5e-4)


@given(
    st.lists(st.floats(0.01, 0.3), min_size=1, max_size=12),
    st.sampled_from([0.01, 0.05, 0.1]),
    st.booleans(),
)
@settings(max_examples=12)
def test_looks_at_any_time_spend_what_may_be_spent(steps: list[float], alpha: float, final: bool) -> None:
    fractions = tuple(accumulate(steps))
    bounds = planned.boundaries(fractions, alpha, final=final)
    whole = sum(planned.crossing(fractions, bounds))
    assert whole == pytest.approx(alpha if final else planned.spent(fractions[-1], alpha), abs=1e-7)
    # what later looks are going to be changes no bound
    assert planned.boundaries(fractions[:-1], alpha) == bounds[:-1]


def test_a_single_look_has_the_power_of_a_fixed_test() -> None:
    drift = 1.959964 + 0.841621
    # both sides: the wrong one is crossed less than once in a million
    assert sum(planned.crossing([1.0], [1.959964], drift)) == pytest.approx(0.8, abs=2e-6)
    # .10 against .12: 3,839 in each lane, with each lane's own variance
    assert planned.fixed_size(0.02, (0.1 * 0.9 + 0.12 * 0.88) / 2, 0.05, 0.8) == pytest.approx(3838, abs=1)
    fractions = tuple(place / 20 for place in range(1, 21))
    found = planned.crossing(fractions, planned.boundaries(fractions, 0.05), drift)
    assert sum(found) >= 0.78
    assert next(t for t, done in zip(fractions, accumulate(found), strict=True) if done >= 0.5) < 0.8


def test_fractions_must_rise() -> None:
    for wrong in ((0.5, 0.5), (0.0, 1.0), (0.6, 0.4)):
        with pytest.raises(ValueError, match="rise"):
            planned.boundaries(wrong, 0.05)


@given(st.floats(-40, 40), st.floats(1, 1e6), st.floats(1e-3, 1))
@settings(max_examples=20)
def test_the_mixture_is_what_it_says(z: float, information: float, minimum_effect: float) -> None:
    """Against integrating the likelihood ratio over the mixture."""
    score = z * math.sqrt(information)

    def log_ratio(d: float) -> float:
        return d * score - d * d * information / 2

    point = sequential.CENTRE * minimum_effect
    centre = score * minimum_effect**2 / (1 + minimum_effect**2 * information)
    width = minimum_effect / math.sqrt(1 + minimum_effect**2 * information)
    most = max(log_ratio(point), log_ratio(-point), log_ratio(centre) + stats.norm.logpdf(centre, 0, minimum_effect))
    spread, _ = integrate.quad(
        lambda d: math.exp(log_ratio(d) + stats.norm.logpdf(d, 0, minimum_effect) - most),
        centre - 12 * width,
        centre + 12 * width,
    )
    points = (math.exp(log_ratio(point) - most) + math.exp(log_ratio(-point) - most)) / 2
    share = sequential.SPREAD_SHARE
    expected = most + math.log((1 - share) * points + share * spread)
    assert sequential.log_evidence(score, information, minimum_effect) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(st.floats(-1, 1), st.floats(1e-4, 0.5), st.floats(1e-3, 0.5), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=60)
def test_the_interval_is_what_the_test_does_not_reject(
    difference: float, error: float, minimum_effect: float, alpha: float
) -> None:
    found = Effect(difference, error)
    width = sequential.half_width(found, minimum_effect, alpha)
    assert width > stats.norm.isf(alpha / 2) * error  # never narrower than the interval of one look
    rejected = sequential.p_value(found, minimum_effect) <= alpha
    assert rejected == (abs(difference) >= width) or abs(difference) == pytest.approx(width, rel=1e-6)


@given(st.floats(0, 60), st.floats(1e-4, 1), st.floats(1e-3, 1))
def test_more_evidence_is_a_smaller_p(z: float, error: float, minimum_effect: float) -> None:
    p = [sequential.p_value(Effect(k * error, error), minimum_effect) for k in (z, -z, z + 0.5)]
    assert p[0] == p[1] and p[2] <= p[0] <= 1 and p[2] > 0


def first_rejection(rates: tuple[float, float], seed: int, most: int, every: int = 50) -> int | None:
    chosen = random.Random(seed)
    hits = [0, 0]
    for count in range(every, most + 1, every):
        for lane, rate in enumerate(rates):
            hits[lane] += sum(chosen.random() < rate for _ in range(every))
        if count < 200:
            continue
        tallies = [Tally.of_conversions(count, hit) for hit in hits]
        found = effect(tallies[1], tallies[0], 0, 1)
        assert found is not None
        if sequential.p_value(found, 0.05) <= 0.05:
            return count
    return None


def test_looking_often_errs_seldom_and_finds_what_is_there() -> None:
    """120 experiments each, of at most 40 looks; the benchmark has the figures."""
    wrong = sum(first_rejection((0.1, 0.1), seed, 2_000) is not None for seed in range(120))
    assert wrong <= 10  # more than 10 of 120 at .05 has a probability of .04, at the measured .03 of .001
    right = sum(first_rejection((0.1, 0.17), seed, 2_000) is not None for seed in range(120))
    assert right >= 110


def test_one_more_outcome_keeps_the_variance_above_zero() -> None:
    assert variance(Tally.of_conversions(100, 0), 0, 1) == pytest.approx(0.5 / 101 * (1 - 0.5 / 101))
    values = [1.0, 4.0, 4.0, 9.0]
    tally = Tally(4, 4, sum(values), sum(v * v for v in values))
    with_ends = stats.tmean(values)
    assert with_ends == tally.mean
    # the added one is half at each end of 0 … 10
    mean = (18 + 5) / 5
    assert variance(tally, 0, 10) == pytest.approx((114 + 50) / 5 - mean**2)
    assert effect(Tally(), tally, 0, 10) is None


def test_the_share_of_traffic() -> None:
    shares = {"a": 0.5, "b": 0.5}
    assert srm.p_value({"a": 5_000, "b": 5_050}, shares) == 1.0
    assert srm.p_value({"a": 5_000, "b": 5_500}, shares) < 1e-4
    assert srm.p_value({}, shares) == 1.0
    # by hand: a Beta(c/2, c/2) mixture of binomial likelihoods over the one of a half
    c = srm.CONCENTRATION / 2
    log_factor = (
        math.lgamma(2 * c)
        - 2 * math.lgamma(c)
        + math.lgamma(c + 700)
        + math.lgamma(c + 500)
        - math.lgamma(2 * c + 1200)
    ) + 1200 * math.log(2)
    assert srm.p_value({"a": 700, "b": 500}, shares) == pytest.approx(math.exp(-log_factor))


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_right_shares_are_seldom_called_wrong(seed: int) -> None:
    """Looked at 100 times; p below .001 at any look has a probability of at most .001."""
    chosen, counts = random.Random(seed), {"a": 0, "b": 0, "c": 0}
    least = 1.0
    for _ in range(100):
        for lane in chosen.choices("abc", (0.8, 0.1, 0.1), k=50):
            counts[lane] += 1
        least = min(least, srm.p_value(counts, {"a": 0.8, "b": 0.1, "c": 0.1}))
    assert least > 1e-5


@given(st.integers(0, 400), st.integers(0, 400), st.sampled_from([0.01, 0.05]))
@settings(max_examples=60)
def test_a_rates_interval_holds_what_the_mixture_allows(events: int, misses: int, alpha: float) -> None:
    count = events + misses
    low, high = guardrails.rate_interval(events, count, alpha)
    assert 0 <= low <= (events / count if count else 0.5) <= high <= 1
    if count:
        # wider than the exact interval of a single look
        exact = stats.binomtest(events, count).proportion_ci(1 - alpha)
        assert low <= exact.low + 1e-9 and high >= exact.high - 1e-9
    if 0 < events < count:
        for rate in (low, high):
            mixed = stats.betabinom.logpmf(events, count, 0.5, 0.5) - stats.binom.logpmf(events, count, rate)
            assert mixed == pytest.approx(math.log(2 / alpha), abs=1e-6)


def test_errors_beyond_the_tolerance_are_harm() -> None:
    champion = Tally(exposures=2_000, errors=2)
    assert not guardrails.errors("b", Tally(exposures=500, errors=2), champion, 0.01, 0.01).harmed
    harm = guardrails.errors("b", Tally(exposures=500, errors=60), champion, 0.01, 0.01)
    assert harm.harmed and harm.challenger == 0.12 and harm.low is not None and harm.low > 0.01
    # a few requests, all of them errors, are enough
    assert guardrails.errors("b", Tally(exposures=20, errors=20), champion, 0.01, 0.01).harmed
    assert not guardrails.errors("b", Tally(), champion, 0.01, 0.01).harmed


def latencies(seed: int, centre: float, count: int) -> Latency:
    chosen = random.Random(seed)
    return sum((Latency.of(centre * math.exp(chosen.gauss(0, 0.4))) for _ in range(count)), Latency())


def test_slowness_beyond_the_tolerance_is_harm() -> None:
    champion = latencies(1, 20, 2_000)
    assert not guardrails.latency("b", latencies(2, 23, 2_000), champion, 0.2, 0.01).harmed
    slow = guardrails.latency("b", latencies(3, 30, 1_000), champion, 0.2, 0.01)
    assert slow.harmed and slow.challenger == pytest.approx(30, rel=0.05) and slow.low is not None and slow.low < 0.5
    few = guardrails.latency("b", latencies(4, 90, 99), champion, 0.2, 0.01)
    assert not few.harmed and few.low is None


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=60))
@settings(max_examples=50)
def test_a_sketch_is_within_its_accuracy_and_adds_up(given_: list[float]) -> None:
    found = sum((Latency.of(one) for one in given_), Latency())
    ordered = sorted(given_)
    for share in (0.0, 0.5, 0.95, 1.0):
        true = ordered[math.floor(share * (len(ordered) - 1))]
        near = found.quantile(share)
        assert near is not None and near == pytest.approx(true, rel=0.051)
    assert Latency.from_json(found.to_json()) == found
    assert found.count == len(given_) and Latency().quantile(0.5) is None


def test_a_latency_is_a_time() -> None:
    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="latency"):
            Latency.of(wrong)
    assert Latency.of(0).count == 1
