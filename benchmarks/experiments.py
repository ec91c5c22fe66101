"""How often A/B tests err, how often they find what is there, and how soon: ours beside a z-test and a fixed one.

Each test is looked at after every 100 samples (both lanes together), the conversions are drawn from known rates. The
always-valid test is ``sequential.p_value``, the one with a horizon ``group_sequential.boundaries``; wrong promotions
are counted in whole experiments, by ``look``, with everything that it decides.

Run: ``python benchmarks/experiments.py [--experiments 10000]``. Goals: at most 5 % decided where both rates are .10;
without a horizon 80 % found within 1.5 × the fixed number of samples; with one, 78 % found and a median below .8 ×.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "layers/core/src"), str(ROOT / "cli")]

from sluicegate.domain.experiment import Tally, group_sequential, sequential  # noqa: E402
from sluicegate.domain.experiment.design import Design  # noqa: E402
from sluicegate.domain.experiment.estimates import Effect, effect  # noqa: E402

STEP, MOST = 100, 20_000
Ints = NDArray[np.int64]


def conversions(rates: tuple[float, float], count: int, looks: int, seed: int) -> tuple[Ints, Ints, Ints]:
    """Samples of each lane at each look, and both lanes' conversions, experiments × looks."""
    random = np.random.default_rng(seed)
    per_lane = STEP // 2
    first, second = (random.binomial(per_lane, rate, (count, looks)).cumsum(1) for rate in rates)
    return per_lane * np.arange(1, looks + 1), first, second


def between(samples: int, one: int, other: int) -> Effect:
    found = effect(Tally.of_conversions(samples, other), Tally.of_conversions(samples, one), 0.0, 1.0)
    assert found is not None
    return found


def always_valid(rates: tuple[float, float], minimum_effect: float, count: int, most: int, seed: int) -> list[float]:
    """Samples until each experiment decides; infinite where it doesn't by ``most``."""
    least = Design("a", {"a": 0.5, "b": 0.5}).minimum_exposure
    samples, first, second = conversions(rates, count, most // STEP, seed)
    found = []
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        when = math.inf
        for size, hits, hits_too in zip(samples.tolist(), one, other, strict=True):
            if size < least:
                continue
            if sequential.p_value(between(size, hits, hits_too), minimum_effect) <= 0.05:
                when = 2 * size
                break
        found.append(when)
    return found


def with_horizon(
    rates: tuple[float, float], worth: float, horizon: int, count: int, seed: int
) -> tuple[float, float, float]:
    """The shares of experiments that find the second lane better, and either, and the median samples to the end.

    Looks at every 20th of ``horizon`` samples of each lane. As in ``look`` an experiment also ends when the second lane
    can't be better by ``worth`` any more.
    """
    design = Design("a", {"a": 0.5, "b": 0.5}, horizon=horizon)
    sizes = [math.ceil(horizon * place / design.looks) for place in range(1, design.looks + 1)]
    sizes = [size for size in sizes if size >= design.minimum_exposure]
    bounds = group_sequential.boundaries(tuple(size / horizon for size in sizes), 0.05)
    random = np.random.default_rng(seed)
    steps = np.diff([0, *sizes])
    first, second = (random.binomial(steps, rate, (count, len(sizes))).cumsum(1) for rate in rates)
    better, different, samples = 0, 0, []
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        for size, bound, hits, hits_too in zip(sizes, bounds, one, other, strict=True):
            found = between(size, hits, hits_too)
            if abs(found.z) >= bound or found.difference + bound * found.error < worth:
                better += found.z >= bound
                different += abs(found.z) >= bound
                break
        samples.append(2 * size)
    return better / count, different / count, sorted(samples)[count // 2]


def z_test(rates: tuple[float, float], count: int, seed: int, *, peeking: bool, most: int = MOST) -> float:
    """How often |z| > 1.96: at any look, or at the last."""
    samples, first, second = conversions(rates, count, most // STEP, seed)
    pooled = (first + second) / (2 * samples)
    error = np.sqrt(np.maximum(2 * pooled * (1 - pooled) / samples, 1e-12))
    beyond = np.abs(second - first) / samples / error > 1.959964
    return float((beyond.any(1) if peeking else beyond[:, -1]).mean())


def wrong_promotions(rate: float, horizon: int | None, count: int) -> dict[str, float]:
    """Of whole experiments with a challenger that is no better than .10, looked at 40 times up to 20,000 samples."""
    from sluice.simulating import simulate
    from sluice.worlds import LaneWorld, World
    from sluicegate.domain.settings_experiment import Experiment

    given = {"traffic": 0.5, "look_every": "1h", "max_duration": "40h", "outcome_window": "0s"}
    experiment = Experiment.model_validate(given | ({} if horizon is None else {"horizon": horizon}))
    lanes = {"a": LaneWorld(rate=0.1), "b": LaneWorld(rate=rate)}
    lives = simulate(World(lanes=lanes, traffic=MOST / 40, experiment=experiment), count)
    return {kind: sum(life.decision == kind for life in lives) / count for kind in ("promote", "keep", "inconclusive")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", type=int, default=10_000)
    count = parser.parse_args().experiments
    missed = False
    for rate, minimum_effect in ((0.1, 0.02), (0.1, 0.05), (0.01, 0.005)):
        wrong = sum(map(math.isfinite, always_valid((rate, rate), minimum_effect, count, MOST, 1))) / count
        peeked = z_test((rate, rate), count, 1, peeking=True)
        missed |= wrong > 0.05 or peeked < 0.25
        print(
            f"both {rate:g}, looked at every {STEP} to {MOST:,}, worth finding {minimum_effect:g}: "
            f"{wrong:.1%} decided (goal 5 %); a z-test {peeked:.1%}"
        )
    for rates, each in (((0.10, 0.12), 3_839), ((0.10, 0.15), 683)):
        worth, fixed = rates[1] - rates[0], 2 * each
        when = sorted(always_valid(rates, worth, count, MOST * 2, 2))
        within = sum(samples <= 1.5 * fixed for samples in when) / count
        name = f"{rates[0]:.2f} against {rates[1]:.2f}, fixed {fixed:,} samples"
        print(
            f"{name}: always valid finds {within:.1%} within 1.5 × (goal 80 %), half within {when[count // 2]:,.0f} "
            f"({when[count // 2] / fixed:.2f} ×), 80 % within {when[count * 4 // 5] / fixed:.2f} ×"
        )
        power, _, median = with_horizon(rates, worth, each, count, 3)
        median /= fixed
        alone = z_test(rates, count, 3, peeking=False, most=-(-fixed // STEP) * STEP)
        _, wrong, _ = with_horizon((0.1, 0.1), worth, each, count, 4)
        print(
            f"  with a horizon: {power:.1%} found (goal 78 %), median {median:.2f} × (goal below .8), "
            f"both .10 {wrong:.1%}; one look at the end: {alone:.1%}"
        )
        # a share that is exactly its goal is measured on either side of it: two standard errors
        error = 2 / math.sqrt(count)
        missed |= within < 0.8 - 0.4 * error or power < 0.78 - 0.414 * error or median >= 0.8
        missed |= wrong > 0.05 + 0.218 * error
    for rate in (0.1, 0.095):
        for horizon in (None, 3_839):
            ends = wrong_promotions(rate, horizon, count)
            missed |= ends["promote"] > 0.025 + 2 * math.sqrt(0.025 * 0.975 / count)
            shown = ", ".join(f"{kind} {share:.2%}" for kind, share in ends.items())
            said = "no horizon" if horizon is None else f"horizon {horizon:,}"
            print(f"whole experiments, .10 against {rate:g}, {said}: {shown} (goal: promote 2.5 %)")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
