"""Experiments whose subjects ask more than once: how often equal lanes are called different, and what is found.

Each subject asks once and then again with a probability of .8, five times on average, and has a rate of its own, from a
beta distribution with an intraclass correlation of 1/6. Its lane and its bucket are drawn once. The same requests are
judged by a z-test, by the always-valid test that takes outcomes for independent, and by ours (``clumps``); looked at
after every 100 samples up to 20,000, and with a horizon at every 20th of 3,839 outcomes of a lane. The worlds:

* ``once``: each subject asks once, and is named;
* ``spread``: what a subject asks is spread over all the time;
* ``sessions``: a subject asks within about 500 requests of others;
* ``returning``: 300 subjects, who ask all the time, the busiest some times as often as the others.

Run: ``python benchmarks/subjects.py [--experiments 1000] [--worlds spread …]``. Goals: equal lanes are called different
in at most 5 %, at any look; with ``once`` as much is found as without names, less 2 points.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "layers/core/src")]

from sluicegate.domain.experiment import Design, Tally, group_sequential, sequential, srm  # noqa: E402
from sluicegate.domain.experiment.clumps import clumps  # noqa: E402
from sluicegate.domain.experiment.estimates import Effect, effect  # noqa: E402
from sluicegate.domain.experiment.tally import Bucket  # noqa: E402
from sluicegate.domain.traffic import BUCKETS  # noqa: E402

STEP, MOST, HORIZON = 100, 20_000, 3_839
MEAN, CORRELATION = 5.0, 1 / 6
#: the design effect of geometric numbers of requests: 1 + (E k² / E k − 1) × the correlation
KISH = 1 + (2 * MEAN - 2) * CORRELATION
SHARES = {"a": 0.5, "b": 0.5}
LEAST = Design("a", SHARES).minimum_exposure
Ints = NDArray[np.int64]


def askers(random: np.random.Generator, world: str, requests: int) -> Ints:
    """Who asks each of the requests, in their order."""
    if world == "once":
        return np.arange(requests)
    if world == "returning":
        activity = random.gamma(1.0, size=300)
        return random.choice(300, requests, p=activity / activity.sum())
    times = random.geometric(1 / MEAN, requests)
    who = np.repeat(np.arange(requests), times)[:requests]
    if world == "spread":
        return random.permutation(who)
    return who[np.argsort(who * MEAN + random.exponential(500, requests))]


def drawn(seed: tuple[int, int], world: str, rates: tuple[float, float], requests: int) -> tuple[Ints, Ints]:
    """Outcomes and conversions at each look, looks × lanes × buckets."""
    random = np.random.default_rng(seed)
    who = askers(random, world, requests)
    subjects = int(who.max()) + 1
    lane, bucket = random.integers(0, 2, subjects), random.integers(0, BUCKETS, subjects)
    rate = np.array(rates)[lane]
    if world != "once":
        size = 1 / CORRELATION - 1
        rate = random.beta(rate * size, (1 - rate) * size)
    hits = random.random(requests) < rate[who]
    looks = requests // STEP
    cell = (np.arange(requests) // STEP * 2 + lane[who]) * BUCKETS + bucket[who]
    shape, size_of_all = (looks, 2, BUCKETS), looks * 2 * BUCKETS
    counts = np.bincount(cell, minlength=size_of_all).reshape(shape).cumsum(0)
    converted = np.bincount(cell, weights=hits, minlength=size_of_all).reshape(shape).cumsum(0).astype(np.int64)
    return counts, converted


def tally(counts: Ints, hits: Ints) -> Tally:
    total, sum_of = int(counts.sum()), float(hits.sum())
    pairs = zip(counts.tolist(), hits.tolist(), strict=True)
    buckets = {place: Bucket(number, number, float(hit)) for place, (number, hit) in enumerate(pairs) if number}
    return Tally(total, total, sum_of, sum_of, buckets=buckets)


@dataclass(frozen=True)
class Seen:
    """A look: the effect as if outcomes were independent, and ours; the samples of each lane and what they count as."""

    plain: Effect
    ours: Effect
    samples: int
    counts_as: float
    plain_srm: float
    srm: float
    design_effect: float


def seen(counts: Ints, hits: Ints) -> Seen | None:
    lanes = {name: tally(counts[place], hits[place]) for place, name in enumerate("ab")}
    a, b = lanes["a"], lanes["b"]
    if min(a.outcomes, b.outcomes) < LEAST:
        return None
    hang = clumps(lanes, 0.0, 1.0)
    plain, ours = effect(b, a, 0.0, 1.0), effect(b, a, 0.0, 1.0, hang.of("b", "a"))
    assert plain is not None and ours is not None
    exposures = {name: float(one.exposures) for name, one in lanes.items()}
    worth = {name: one.outcomes / hang.lanes[name].outcomes for name, one in lanes.items()}
    return Seen(
        plain,
        ours,
        min(a.outcomes, b.outcomes),
        min(worth.values()),
        srm.p_value(exposures, SHARES),
        srm.p_value({name: count / hang.exposures for name, count in exposures.items()}, SHARES),
        hang.lanes["a"].outcomes,
    )


def looked(seed: tuple[int, int], world: str, rates: tuple[float, float], worth: float, most: int) -> dict[str, float]:
    """When each test first says "different" in one experiment, in samples of both lanes; infinite: never."""
    first = dict.fromkeys(("z", "independent", "ours", "shares independent", "shares ours"), math.inf)
    counts, hits = drawn(seed, world, rates, most)
    found = None
    for place in range(len(counts)):
        found = seen(counts[place], hits[place])
        if found is None:
            continue
        says = {
            "z": abs(found.plain.z) > 1.959964,
            "independent": sequential.p_value(found.plain, worth) <= 0.05,
            "ours": found.counts_as >= LEAST and sequential.p_value(found.ours, worth) <= 0.05,
            "shares independent": found.plain_srm <= srm.ALPHA,
            "shares ours": found.srm <= srm.ALPHA,
        }
        for name, said in says.items():
            if said:
                first[name] = min(first[name], float((place + 1) * STEP))
    assert found is not None
    return first | {"design effect": found.design_effect}


def planned(seed: tuple[int, int], world: str, rates: tuple[float, float], horizon: int) -> tuple[bool, bool]:
    """Whether a test with a horizon says "different", taking outcomes for independent and by ours."""
    samples = math.ceil(2 * horizon / STEP) * STEP
    counts, hits = drawn(seed, world, rates, samples)
    places = sorted({round(len(counts) * look / 20) - 1 for look in range(1, 21)})
    bounds = group_sequential.boundaries(tuple((place + 1) / len(counts) for place in places), 0.05)
    plain = ours = False
    for place, bound in zip(places, bounds, strict=True):
        found = seen(counts[place], hits[place])
        if found is not None:
            plain |= abs(found.plain.z) >= bound
            ours |= found.counts_as >= LEAST and abs(found.ours.z) >= bound
    return plain, ours


def main() -> int:
    worlds = ("once", "spread", "sessions", "returning")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", type=int, default=1_000)
    parser.add_argument("--worlds", nargs="+", choices=worlds, default=worlds)
    given = parser.parse_args()
    count, missed = given.experiments, False
    # a share that is exactly its goal is measured on either side of it: two standard errors
    slack = 2 * math.sqrt(0.05 * 0.95 / count)
    for world in given.worlds:
        lives = [looked((1, number), world, (0.1, 0.1), 0.02, MOST) for number in range(count)]
        said = {name: sum(life[name] < math.inf for life in lives) / count for name in lives[0]}
        effects = sorted(life["design effect"] for life in lives)
        missed |= said["ours"] > 0.05 or said["shares ours"] > 0.005
        print(
            f"{world}: equal lanes called different at any look: z-test {said['z']:.1%}, taken for independent "
            f"{said['independent']:.1%}, ours {said['ours']:.1%} (goal 5 %); shares of traffic called wrong "
            f"{said['shares independent']:.2%}, ours {said['shares ours']:.2%}; "
            f"design effect {effects[count // 2]:.2f}",
            flush=True,
        )
        ends = [planned((2, number), world, (0.1, 0.1), HORIZON) for number in range(count)]
        plain, ours = (sum(column) / count for column in zip(*ends, strict=True))
        missed |= ours > 0.05 + slack
        if world in ("spread", "sessions"):
            # as many samples as say what the fixed number says of subjects that ask once
            each = round(3_839 * KISH)
            most = int(3 * each / STEP) * STEP
            better = [looked((5, number), world, (0.10, 0.12), 0.02, most)["ours"] for number in range(count // 4)]
            ends_too = [planned((6, number), world, (0.10, 0.12), each)[1] for number in range(count // 2)]
            power = f"{sum(when <= 3 * each for when in better) / len(better):.0%}"
            power += f", with a horizon {sum(ends_too) / len(ends_too):.0%}"
            print(f"  .10 against .12: found within 1.5 × the fixed number × the design effect: {power}", flush=True)
        print(f"  with a horizon of {HORIZON:,}: taken for independent {plain:.1%}, ours {ours:.1%}", flush=True)
    if "once" in given.worlds:
        for rates, each in (((0.10, 0.12), 3_839), ((0.10, 0.15), 683)):
            most = int(3 * each / STEP) * STEP
            lives = [looked((3, number), "once", rates, rates[1] - rates[0], most) for number in range(count)]
            unnamed, named = (sum(life[name] <= 3 * each for life in lives) / count for name in ("independent", "ours"))
            ends = [planned((4, number), "once", rates, each) for number in range(count)]
            plain, ours = (sum(column) / count for column in zip(*ends, strict=True))
            missed |= named < unnamed - 0.02 or ours < plain - 0.02
            print(
                f"once, {rates[0]:.2f} against {rates[1]:.2f}: found within 1.5 × the fixed number: without names "
                f"{unnamed:.1%}, named {named:.1%}; with a horizon {plain:.1%} and {ours:.1%} (goal: 2 points at most)"
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
