"""A bandit's shares of traffic for the next stretch of time, from what each lane's cohorts say.

Traffic is shared by a hash of the subject, so a policy answers shares, not single choices: for Thompson sampling the
probability that each lane is the best, as sharply as pays (``foresight``). Rewards come in batches and late: only
outcomes that count (see ``tally.counted``) are known here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sluicegate.domain.experiment import changes, foresight
from sluicegate.domain.experiment.clumps import clumps
from sluicegate.domain.experiment.design import Design
from sluicegate.domain.experiment.tally import Cohort, counted, observed
from sluicegate.domain.numbers import TINY

#: into how many parts UCB1 divides what comes until the next look, when it imagines the outcomes of each part
_PARTS = 50
#: the density of a lane is evaluated so far from its mean, in standard deviations, at so many places on each side
_REACH, _PLACES = 6.0, 24
#: the first and the last place of a rate
_END = 1e-9


@dataclass(frozen=True)
class Belief:
    """What is known of a lane, in rewards of the range 0 … 1 of which more is better. ``count`` may be a fraction.

    ``clump``: as many outcomes count as one, because subjects ask more than once.
    """

    count: float
    total: float
    variance: float
    clump: float = 1.0

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count > 0 else 0.5


def weights(
    design: Design, lanes: Mapping[str, Sequence[Cohort]], now: float, batch: int, left: float
) -> dict[str, float]:
    """Each lane's share from ``now`` on, their sum 1.

    ``batch``: the exposures expected until the next look; ``left``: until the end, those included. Equal shares until
    each lane has its ``warm_up`` of outcomes; no share is below ``floor``.
    """
    known = beliefs(design, lanes, now)
    names = sorted(design.shares)
    if min(known[lane].count for lane in names) < design.bandit.warm_up:
        return dict.fromkeys(names, 1 / len(names))
    policy = design.bandit.policy
    if policy == "thompson":
        chosen = _planned(design, known, lanes, now, batch, left)
    elif policy == "ucb1":
        chosen = _ucb1(known, batch)
    else:
        best = max(names, key=lambda lane: known[lane].mean)
        share = design.bandit.epsilon / len(names)
        chosen = {lane: share + (1 - design.bandit.epsilon if lane == best else 0.0) for lane in names}
    return _floored(chosen, design.bandit.floor)


def _planned(
    design: Design,
    known: Mapping[str, Belief],
    lanes: Mapping[str, Sequence[Cohort]],
    now: float,
    batch: int,
    left: float,
) -> dict[str, float]:
    best = probability_best(design, known)
    waiting, answered = _waiting(design, lanes, now)
    if design.bandit.discount < 1:
        # what is learned now is forgotten at this rate: it serves no longer
        left = min(left, batch / (1 - design.bandit.discount))
    prospects = {}
    for lane, one in known.items():
        mean, deviation = _posterior(design, one)
        prospects[lane] = foresight.Prospect(mean, deviation, one.count * one.clump, waiting[lane], best[lane])
    return foresight.shares(prospects, batch * answered, left * answered)


def _waiting(design: Design, lanes: Mapping[str, Sequence[Cohort]], now: float) -> tuple[dict[str, float], float]:
    """The outcomes that past exposures of each lane will still bring, and how many an exposure brings in the end.

    Where silence is a zero each brings one, else as many as those did whose window has closed.
    """
    exposures = outcomes = 0
    still = dict.fromkeys(design.shares, (0, 0))
    for lane, (shown, known) in still.items():
        for cohort in lanes.get(lane, ()):
            count, _, _ = observed(cohort, now, design.outcome_window, design.silence)
            if cohort.end + design.outcome_window > now:
                shown, known = shown + cohort.tally.exposures, known + count
            else:
                exposures, outcomes = exposures + cohort.tally.exposures, outcomes + count
        still[lane] = shown, known
    answered = outcomes / exposures if exposures and outcomes and design.silence == "unknown" else 1.0
    return {lane: max(shown * answered - known, 0.0) for lane, (shown, known) in still.items()}, answered


def beliefs(design: Design, lanes: Mapping[str, Sequence[Cohort]], now: float) -> dict[str, Belief]:
    """What the lanes' cohorts say, after forgetting: by ``discount`` for each later cohort, and before a change."""
    series: dict[str, list[_Numbers]] = {}
    names = sorted(design.shares)
    whole = {lane: counted(lanes.get(lane, ()), now, design.outcome_window, design.silence) for lane in names}
    hang = clumps(whole, design.low, design.high).lanes
    for lane in names:
        seen = (_numbers(design, cohort, now, hang[lane].outcomes) for cohort in lanes.get(lane, ()))
        series[lane] = sorted((one for one in seen if one[1]), key=lambda one: one[0])
    since = changes.latest(series) if design.bandit.detect_changes else -math.inf
    discount = design.bandit.discount
    ends = sorted({one[0] for found in series.values() for one in found})
    worth = {end: discount ** (len(ends) - 1 - place) for place, end in enumerate(ends)}
    return {
        lane: _belief(((worth[one[0]], one) for one in found if one[0] > since), hang[lane].outcomes)
        for lane, found in series.items()
    }


#: of a cohort: its end, the number of outcomes that count, their sum and sum of squares, as in ``Belief``
_Numbers = tuple[float, float, float, float]


def _numbers(design: Design, cohort: Cohort, now: float, clump: float) -> _Numbers:
    """Outcomes of subjects that ask more than once count as so many fewer as the design effect ``clump`` says."""
    outcomes, total, squares = observed(cohort, now, design.outcome_window, design.silence)
    low, span = design.low, design.high - design.low
    # the rewards r become (r − low) / span, and where less is better 1 less that
    scaled = (total - outcomes * low) / span
    scaled_squares = (squares - 2 * low * total + outcomes * low * low) / (span * span)
    if design.direction == "minimise":
        scaled, scaled_squares = outcomes - scaled, outcomes - 2 * scaled + scaled_squares
    return cohort.end, outcomes / clump, scaled / clump, scaled_squares / clump


def _belief(weighed: Iterable[tuple[float, _Numbers]], clump: float) -> Belief:
    """The variance is that of the outcomes and one more, half at each end, as in ``estimates.variance``."""
    count = total = squares = 0.0
    for weight, (_, outcomes, rewards, rewards_squared) in weighed:
        count += weight * outcomes
        total += weight * rewards
        squares += weight * rewards_squared
    mean = (total + 0.5) / (count + 1)
    return Belief(count, total, max((squares + 0.5) / (count + 1) - mean * mean, 1e-12), clump)


def probability_best(design: Design, known: Mapping[str, Belief]) -> dict[str, float]:
    """For each lane the probability that its mean is the greatest, by integration over the posteriors.

    Conversions: Beta(1 + successes, 1 + failures). Means: the normal distribution around the sample mean, with the
    sample variance and one outcome more, half at each end of the range.
    """
    names = sorted(known)
    spans = {lane: _posterior(design, known[lane]) for lane in names}
    # a rate's posterior may reach the ends of what a rate can be
    low, high = (_END, 1 - _END) if design.goal == "conversion" else (-math.inf, math.inf)
    places = sorted(
        {
            min(max(mean + deviation * _REACH * step / _PLACES, low), high)
            for mean, deviation in spans.values()
            for step in range(-_PLACES, _PLACES + 1)
        }
    )
    if design.goal == "conversion":
        logs = [(math.log(place), math.log1p(-place)) for place in places]
        densities = [_beta(known[lane], logs) for lane in names]
    else:
        densities = [
            [math.exp(-(((place - mean) / deviation) ** 2) / 2) for place in places]
            for mean, deviation in (spans[lane] for lane in names)
        ]
    gaps = [later - earlier for earlier, later in pairwise(places)]
    cumulative = [_cumulated(density, gaps) for density in densities]
    found = {}
    for index, lane in enumerate(names):
        others = [below for other, below in enumerate(cumulative) if other != index]
        heights = [math.prod(column) for column in zip(densities[index], *others, strict=True)]
        found[lane] = sum(gap * (one + other) for gap, (one, other) in zip(gaps, pairwise(heights), strict=True))
    whole = sum(found.values())
    return {lane: area / whole if area >= TINY * whole else 0.0 for lane, area in found.items()}


def _posterior(design: Design, one: Belief) -> tuple[float, float]:
    """Mean and standard deviation of what a lane's mean may be."""
    if design.goal == "conversion":
        mean = (1 + one.total) / (2 + one.count)
        deviation = math.sqrt(mean * (1 - mean) / (one.count + 3))
    else:
        mean = (one.total + 0.5) / (one.count + 1)
        deviation = math.sqrt(one.variance / (one.count + 1)) if one.count else 0.5
    return mean, max(deviation, 1e-9)


def _beta(one: Belief, logs: Sequence[tuple[float, float]]) -> list[float]:
    """The density at places whose logarithms, and those of what they leave to 1, are ``logs``; up to a factor."""
    hits, misses = one.total, one.count - one.total
    values = [hits * log + misses * rest for log, rest in logs]
    most = max(values)
    return [math.exp(value - most) if value - most > -60 else 0.0 for value in values]


def _cumulated(density: list[float], gaps: Sequence[float]) -> list[float]:
    """The distribution function by the trapezoid rule; ``density`` is divided by the area."""
    found = [0.0]
    for place, gap in enumerate(gaps):
        found.append(found[-1] + gap * (density[place] + density[place + 1]) / 2)
    area = found[-1]
    density[:] = [value / area for value in density]
    return [value / area for value in found]


def _ucb1(known: Mapping[str, Belief], batch: int) -> dict[str, float]:
    """UCB1 (Auer, Cesa-Bianchi & Fischer 2002, Machine Learning 47) for a batch.

    Each part of the batch goes to the lane with the highest bound, as if the parts before it had brought their lanes'
    means (Desautels, Krause & Burdick 2014, JMLR 15).
    """
    counts = {lane: max(one.count, 1.0) for lane, one in known.items()}
    part = max(batch, 1) / _PARTS
    chosen = dict.fromkeys(known, 0.0)
    for _ in range(_PARTS):
        log = 2 * math.log(max(sum(counts.values()), 2.0))
        best = max(sorted(known), key=lambda lane: known[lane].mean + math.sqrt(log / counts[lane]))
        counts[best] += part
        chosen[best] += 1 / _PARTS
    return chosen


def _floored(chosen: Mapping[str, float], floor: float) -> dict[str, float]:
    """Nobody below ``floor`` (at most an equal share); what it takes comes from the others in proportion."""
    floor = min(floor, 1 / len(chosen))
    low: set[str] = set()
    while True:
        rest = sum(share for lane, share in chosen.items() if lane not in low)
        left = 1 - floor * len(low)
        below = (
            {lane for lane, share in chosen.items() if lane not in low and share / rest * left < floor}
            if rest
            else set(chosen) - low
        )
        if not below:
            return {lane: floor if lane in low else share / rest * left for lane, share in chosen.items()}
        if len(low | below) == len(chosen):
            return dict.fromkeys(chosen, 1 / len(chosen))
        low |= below
