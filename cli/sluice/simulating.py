"""Many lives of one experiment in a declared world, decided by the code that decides real ones.

All lives go step by step together: outcomes are drawn for all at once, by cohort and not by request, and each life is
looked at by ``sluicegate.domain.experiment.look`` (and given shares by ``weights``) as the application would.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluice.worlds import LaneWorld, World
from sluicegate.domain.durations import duration_seconds
from sluicegate.domain.experiment import Bucket, Cohort, Decision, Design, Latency, Tally, look, weights
from sluicegate.domain.traffic import BUCKETS

#: lives that share a seed: what comes out doesn't depend on how many processes there are
_TOGETHER = 125
#: the standard deviation of log latencies
_LATENCY_SPREAD = 0.35
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Life:
    """How one experiment went. ``samples``: exposures until the decision, which came after ``seconds``.

    ``regret``: what was lost until max_duration, in the goal's unit, against always asking the lane that is best then.
    """

    decision: str
    lane: str | None
    seconds: float
    samples: int
    regret: float
    reason: str


@dataclass
class _One:
    """A life under way. ``closed``: by lane, only of a bandit, which looks at cohorts one by one."""

    shares: dict[str, float]
    closed: dict[str, list[Cohort]]
    earlier: list[float] = field(default_factory=list)
    decision: Decision | None = None
    samples: int = 0
    seconds: float = 0.0
    regret: float = 0.0
    reason: str = ""


class _Numbers:
    """A tally of each life (the columns) of one lane. ``buckets``: exposures, outcomes, total and errors, each lives ×
    buckets of subjects; without buckets where each request is a subject of its own."""

    def __init__(self, size: int, buckets: int) -> None:
        self.buckets = np.zeros((4, size, buckets))
        self.exposures, self.outcomes, self.errors, self.timed = (np.zeros(size, dtype=np.int64) for _ in range(4))
        self.total, self.squares, self.log_sum, self.log_squares = (np.zeros(size) for _ in range(4))

    def add(self, other: _Numbers) -> None:
        for name, value in vars(other).items():
            vars(self)[name] += value

    def tally(self, place: int) -> Tally:
        latency = Latency(int(self.timed[place]), float(self.log_sum[place]), float(self.log_squares[place]))
        return Tally(
            int(self.exposures[place]),
            int(self.outcomes[place]),
            float(self.total[place]),
            float(self.squares[place]),
            int(self.errors[place]),
            latency,
            {
                number: Bucket(int(one[0]), int(one[1]), one[2], int(one[3]))
                for number, one in enumerate(self.buckets[:, place].T.tolist())
                if one[0]
            },
        )


@dataclass
class _Flow:
    """The exposures of one step: per lane what is known, and the outcomes still to come, lives × buckets × ``values``
    (in one bucket where there are none)."""

    end: float
    known: dict[str, _Numbers]
    values: dict[str, Floats]
    left: dict[str, NDArray[np.int64]]


def simulate(world: World, times: int, seed: int = 0, processes: int | None = None) -> list[Life]:
    """``times`` lives, the same for the same seed, however many ``processes`` (default: one a core) draw them."""
    parts = [(world, min(_TOGETHER, times - start), (seed, start)) for start in range(0, times, _TOGETHER)]
    workers = min(processes or os.cpu_count() or 1, len(parts))
    if workers <= 1:
        return [life for part in parts for life in _lives(part)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return [life for lives in pool.map(_lives, parts) for life in lives]


def _lives(part: tuple[World, int, tuple[int, int]]) -> list[Life]:
    world, count, seed = part
    return _Run(world, count, np.random.default_rng(seed)).lives()


class _Run:
    def __init__(self, world: World, count: int, random: np.random.Generator) -> None:
        self.world, self.random, self.size = world, random, count
        self.lanes = sorted(world.lanes)
        self.design: Design = world.experiment.design(world.first, [name for name in self.lanes if name != world.first])
        self.bandit = self.design.mode == "bandit"
        self.lives_ = [_One(dict(self.design.shares), {lane: [] for lane in self.lanes}) for _ in range(count)]
        self.open: list[_Flow] = []
        self.buckets = BUCKETS if world.requests_per_subject > 1 else 0
        self.closed = {lane: _Numbers(count, self.buckets) for lane in self.lanes}
        self.delay = float(duration_seconds(world.delay))
        self.per_second = world.traffic / 3600

    def lives(self) -> list[Life]:
        before = 0.0
        for number in range(1, self.world.looks + 1):
            now = float(min(number * self.world.step, self.design.max_duration))
            if all(one.decision for one in self.lives_) and not self.world.changes:
                # nothing changes any more: what is left goes to the lanes that won
                come = self._subjects(self.design.max_duration - before)
                self._lose(self.world.at(before), come * self.world.requests_per_subject)
                break
            self._expose(before, now)
            self._arrive(now, now - before)
            for place, one in enumerate(self.lives_):
                if one.decision is None:
                    self._look(place, one, now)
            before = now
        return [
            Life(
                one.decision.kind if one.decision else "continue",
                one.decision.lane if one.decision else None,
                one.seconds,
                one.samples,
                one.regret,
                one.reason,
            )
            for one in self.lives_
        ]

    def _subjects(self, seconds: float) -> NDArray[np.int64]:
        """Who comes in each life, by lane: lives × lanes."""
        wanted = self.per_second * seconds / self.world.requests_per_subject
        totals = self.random.poisson(wanted, self.size) if self.world.arrivals == "random" else round(wanted)
        shares = np.array([[one.shares.get(lane, 0.0) for lane in self.lanes] for one in self.lives_])
        return self.random.multinomial(totals, shares / shares.sum(1, keepdims=True))

    def _lose(self, truth: dict[str, LaneWorld], exposures: NDArray[Any]) -> None:
        worth = self.design.sign * np.array([truth[lane].value * (1 - truth[lane].errors) for lane in self.lanes])
        for one, lost in zip(self.lives_, exposures @ (worth.max() - worth), strict=True):
            one.regret += float(lost)

    def _expose(self, before: float, now: float) -> None:
        """The requests of one step, by lane, and what will become of them."""
        truth, subjects = self.world.at(before), self._subjects(now - before)
        asked = [self._ask(subjects[:, place], truth[lane]) for place, lane in enumerate(self.lanes)]
        exposures = np.stack([one[0].sum(1) for one in asked], 1)
        self._lose(truth, exposures)
        for one, count in zip(self.lives_, exposures.sum(1), strict=True):
            if one.decision is None:
                one.samples += int(count)
        flow = _Flow(now, {}, {}, {})
        for place, lane in enumerate(self.lanes):
            known, does = _Numbers(self.size, self.buckets), truth[lane]
            requests, errors, ends = asked[place]
            known.exposures, known.errors = requests.sum(1), errors.sum(1)
            if self.buckets:
                known.buckets[0], known.buckets[3] = requests, errors
            answered = known.exposures - known.errors
            if does.latency is not None:
                known.timed = answered
                known.log_sum, known.log_squares = self._latencies(answered, math.log(does.latency))
            values = (0.0, 1.0) if does.rate is not None else (does.value - does.deviation, does.value + does.deviation)
            flow.values[lane] = np.array(values)
            flow.left[lane] = ends
            flow.known[lane] = known
        self.open.append(flow)

    def _ask(self, subjects: Ints, does: LaneWorld) -> tuple[Ints, Ints, Ints]:
        """What the ``subjects`` of each life ask of a lane: requests and errors, lives × buckets, and how many of the
        others will have each of the two outcomes, lives × buckets × 2. A subject's requests fall into one step."""
        chance = 0.5 if does.rate is None else does.rate
        if not self.buckets:
            errors = self.random.binomial(subjects, does.errors)
            ends = self.random.multinomial(subjects - errors, (1 - chance, chance))
            return subjects[:, None], errors[:, None], ends[:, None]
        count = int(subjects.sum())
        cell = np.repeat(np.arange(self.size), subjects) * BUCKETS + self.random.integers(0, BUCKETS, count)
        asked = self.random.geometric(1 / self.world.requests_per_subject, count)
        failed = self.random.binomial(asked, does.errors)
        own: Any = chance
        if self.world.subject_effect > 0 and 0 < chance < 1:
            # of a beta distribution with the parameters s m and s (1 − m) the intraclass correlation is 1 / (s + 1)
            size = 1 / self.world.subject_effect - 1
            own = self.random.beta(chance * size, (1 - chance) * size, count)
        high = self.random.binomial(asked - failed, own)

        def summed(numbers: Ints) -> Ints:
            found = np.bincount(cell, weights=numbers, minlength=self.size * BUCKETS)
            return found.astype(np.int64).reshape(self.size, BUCKETS)

        return summed(asked), summed(failed), np.stack([summed(asked - failed - high), summed(high)], -1)

    def _latencies(self, counts: NDArray[np.int64], centre: float) -> tuple[Floats, Floats]:
        """The sums of ``counts`` log latencies and of their squares: a normal and a chi-square variable say both."""
        mean = self.random.normal(centre, _LATENCY_SPREAD / np.sqrt(np.maximum(counts, 1)))
        spread = _LATENCY_SPREAD**2 * self.random.chisquare(np.maximum(counts - 1, 1))
        return counts * mean, np.where(counts > 0, counts * mean**2 + np.where(counts > 1, spread, 0.0), 0.0)

    def _arrive(self, now: float, step: float) -> None:
        """Outcomes come; the cohorts whose window is over are closed, and what comes after is refused."""
        still = []
        for flow in self.open:
            closes = flow.end + self.design.outcome_window <= now
            if closes or self.design.silence == "unknown":
                chance = self._chance(flow, now, step)
                for lane, known in flow.known.items():
                    come = self.random.binomial(flow.left[lane], chance)
                    flow.left[lane] = flow.left[lane] - come
                    known.outcomes = known.outcomes + come.sum((1, 2))
                    known.total = known.total + (come @ flow.values[lane]).sum(1)
                    known.squares = known.squares + (come @ flow.values[lane] ** 2).sum(1)
                    if self.buckets:
                        known.buckets[1] += come.sum(2)
                        known.buckets[2] += come @ flow.values[lane]
            if not closes:
                still.append(flow)
                continue
            for lane, known in flow.known.items():
                if self.bandit:
                    for place, one in enumerate(self.lives_):
                        one.closed[lane].append(Cohort(flow.end, known.tally(place)))
                else:
                    self.closed[lane].add(known)
        self.open = still

    def _chance(self, flow: _Flow, now: float, step: float) -> float:
        """Of an outcome that is still to come to have come by ``now``, or where it is drawn once, by the window's end.

        A step's exposures are spread over it evenly; what is exponential and hasn't come is as new.
        """
        if self.delay == 0:
            return 1.0
        waited = -math.expm1(-step / self.delay) * self.delay / step
        if self.design.silence == "zero":
            return 1 - waited * math.exp(-self.design.outcome_window / self.delay)
        return 1 - waited if flow.end == now else -math.expm1(-step / self.delay)

    def _look(self, place: int, one: _One, now: float) -> None:
        cohorts = {lane: self._cohorts(place, one, lane, now) for lane in self.lanes}
        found = look(self.design, cohorts, now, 0.0, one.earlier)
        if found.tested and found.information is not None:
            one.earlier.append(found.information)
        one.reason, one.seconds = found.reason, now
        kind = found.decision.kind
        if kind == "continue":
            if self.bandit:
                batch, left = round(self.per_second * self.world.step), self.design.max_duration - now
                one.shares = weights(self.design, cohorts, now, batch, self.per_second * left)
            return
        one.decision = found.decision
        stays = self.design.champion
        winner = found.decision.lane if kind == "promote" and found.decision.lane is not None else stays
        one.shares = {winner: 1.0}

    def _cohorts(self, place: int, one: _One, lane: str, now: float) -> list[Cohort]:
        opened = [Cohort(flow.end, flow.known[lane].tally(place)) for flow in self.open]
        if self.bandit:
            return [*one.closed[lane], *opened]
        # cohorts of one kind say together what they say one by one
        found = [Cohort(-math.inf, self.closed[lane].tally(place))]
        if opened:
            found.append(Cohort(now, sum((cohort.tally for cohort in opened), Tally())))
        return found
