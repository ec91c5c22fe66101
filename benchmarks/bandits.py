"""What bandits lose: regret over 20,000 rounds, rewards in batches of 500, also with a change and with late outcomes.

Ours is ``sluicegate.domain.experiment.weights`` with its defaults, floor and warm-up included, in simulated lives as
``sluice simulate experiment`` draws them. Beside it, each drawn here round by round as in its paper: plain Thompson
sampling, UCB1 and ε-greedy (.1), which learn from a batch when it is over, and equal shares. *Late*: outcomes come one
batch later; "early" is Thompson sampling that counts an exposure as a failure before its outcome could have come.
Then other worlds, each with a quarter of the lives: other rates, many lanes, other batches, and equal lanes, where
nothing can be lost and the question is how often a challenger is promoted.

Run: ``python benchmarks/bandits.py [--lives 2000]``. Goals: at most 25 with .10/.12 and 66 with four lanes; with late
outcomes no more than plain Thompson sampling loses when they come at once; with a change and in other worlds no more
than plain Thompson. Thousands of lives are needed: a few of them lose ten times what most do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "layers/core/src"), str(ROOT / "cli")]

from sluice.simulating import Life, simulate  # noqa: E402
from sluice.worlds import Change, LaneWorld, World  # noqa: E402
from sluicegate.domain.settings_experiment import Experiment  # noqa: E402

REQUESTS, BATCH = 20_000, 500
Rates = tuple[float, ...]
Floats = NDArray[np.float64]
#: name, rates, rates after the middle, goal
WORLDS: list[tuple[str, Rates, Rates, float | None]] = [
    (".10/.12", (0.10, 0.12), (0.10, 0.12), 25.0),
    (".08/.10/.11/.12", (0.08, 0.10, 0.11, 0.12), (0.08, 0.10, 0.11, 0.12), 66.0),
    (".10/.12, swapped in the middle", (0.10, 0.12), (0.12, 0.10), None),
    (".08/.10/.11/.12, ends swapped", (0.08, 0.10, 0.11, 0.12), (0.12, 0.10, 0.11, 0.08), None),
]
#: name, rates, requests between looks
OTHERS: list[tuple[str, Rates, int]] = [
    (".10/.105", (0.10, 0.105), BATCH),
    (".10/.15", (0.10, 0.15), BATCH),
    (".01/.012", (0.01, 0.012), BATCH),
    (".5/.55", (0.5, 0.55), BATCH),
    ("ten lanes .08 to .12", (0.08, 0.085, 0.09, 0.095, 0.10, 0.10, 0.105, 0.11, 0.115, 0.12), BATCH),
    (".10/.12 in batches of 100", (0.10, 0.12), 100),
    (".10/.12 in batches of 2,000", (0.10, 0.12), 2_000),
]
#: of the textbook's policies
TEXTBOOK_LIVES = 2_000
#: counts and sums of what is known (lives × lanes), and the random numbers → shares of the next batch
Policy = Callable[[Floats, Floats, np.random.Generator], Floats]


def thompson(counts: Floats, sums: Floats, random: np.random.Generator) -> Floats:
    lives, lanes = counts.shape
    draws = random.beta(1 + sums[:, None, :], 1 + (counts - sums)[:, None, :], (lives, BATCH, lanes))
    best = draws.argmax(2)
    return np.stack([(best == lane).mean(1) for lane in range(lanes)], 1)


def ucb1(counts: Floats, sums: Floats, _: np.random.Generator) -> Floats:
    bound = sums / np.maximum(counts, 1) + np.sqrt(
        2 * np.log(np.maximum(counts.sum(1), 2))[:, None] / np.maximum(counts, 1)
    )
    bound[counts == 0] = np.inf
    chosen: Floats = (bound == bound.max(1, keepdims=True)).astype(np.float64)
    shares: Floats = chosen / chosen.sum(1, keepdims=True)
    return shares


def epsilon_greedy(counts: Floats, sums: Floats, _: np.random.Generator) -> Floats:
    means = sums / np.maximum(counts, 1)
    best: Floats = (means == means.max(1, keepdims=True)).astype(np.float64)
    shares: Floats = 0.1 / counts.shape[1] + 0.9 * best / best.sum(1, keepdims=True)
    return shares


def equal(counts: Floats, _: Floats, __: np.random.Generator) -> Floats:
    return np.full(counts.shape, 1 / counts.shape[1])


def textbook(
    policy: Policy, before: Rates, after: Rates, late: int = 0, *, early: bool = False, batch: int = BATCH
) -> Floats:
    """The regret of each life."""
    lives, batches = TEXTBOOK_LIVES, REQUESTS // batch
    random = np.random.default_rng(1)
    lanes = len(before)
    counts, sums, regret = np.zeros((lives, lanes)), np.zeros((lives, lanes)), np.zeros(lives)
    waiting: list[tuple[Floats, Floats]] = []
    for number in range(batches):
        rates = np.array(before if number < batches // 2 else after)
        shares = policy(counts, sums, random)
        if number == 0:
            shares = equal(counts, sums, random)
        given = random.multinomial(batch, shares / shares.sum(1, keepdims=True))
        waiting.append((given.astype(np.float64), random.binomial(given, rates).astype(np.float64)))
        regret += given @ (rates.max() - rates)
        if early:
            counts += waiting[-1][0]
        if len(waiting) > late:
            exposures, conversions = waiting.pop(0)
            sums += conversions
            if not early:
                counts += exposures
    return regret


def ours(before: Rates, after: Rates, lives: int, late: int = 0, batch: int = BATCH) -> list[Life]:
    experiment = Experiment.model_validate(
        {
            "mode": "bandit",
            "look_every": "1h",
            "max_duration": f"{REQUESTS // batch}h",
            "outcome_window": f"{late}h",
        }
    )
    changed = [(f"l{place}", rate) for place, rate in enumerate(after) if rate != before[place]]
    world = World(
        lanes={f"l{place}": LaneWorld(rate=rate) for place, rate in enumerate(before)},
        changes=[Change(at=f"{REQUESTS // batch // 2}h", lane=lane, rate=rate) for lane, rate in changed],
        traffic=float(batch),
        arrivals="even",
        experiment=experiment,
    )
    return simulate(world, lives)


def lost(lives: list[Life]) -> Floats:
    return np.array([life.regret for life in lives])


def said(regret: Floats) -> str:
    return f"{regret.mean():.1f} ± {1.96 * regret.std() / np.sqrt(len(regret)):.1f}"


def others(lives: int) -> bool:
    """Whether any world without a goal of its own loses more than plain Thompson sampling does."""
    missed = False
    for name, rates, batch in OTHERS:
        mine = lost(ours(rates, rates, lives, batch=batch))
        plain = textbook(thompson, rates, rates, batch=batch)
        print(f"regret {name}: {said(mine)}; plain Thompson {said(plain)}")
        missed |= mine.mean() > plain.mean() + 1.96 * mine.std() / np.sqrt(lives)
    wrong = sum(life.decision == "promote" for life in ours((0.10, 0.10), (0.10, 0.10), lives))
    print(f"equal lanes: a challenger is promoted in {wrong / lives:.1%}")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lives", type=int, default=2_000)
    lives = parser.parse_args().lives
    missed = False
    for name, before, after, goal in WORLDS:
        plain = textbook(thompson, before, after)
        beside = ", ".join(
            f"{policy.__name__} {textbook(policy, before, after).mean():.0f}"
            for policy in (ucb1, epsilon_greedy, equal)
        )
        mine, late = lost(ours(before, after, lives)), lost(ours(before, after, lives, 1))
        slow, naive = textbook(thompson, before, after, 1), textbook(thompson, before, after, 1, early=True)
        worst = " and ".join(f"{np.quantile(mine, part):.0f} in {1 - part:.0%}" for part in (0.9, 0.99))
        aim = f" (goal {goal:g})" if goal is not None else ""
        print(f"regret {name}: {said(mine)}{aim}, at least {worst}; plain Thompson {said(plain)}, {beside}")
        print(f"  late: {said(late)}; plain Thompson {said(slow)}, early {said(naive)}")
        missed |= mine.mean() > (goal if goal is not None else plain.mean())
        # with a change everybody waits for it to be seen, and then for the outcomes
        missed |= late.mean() > (plain.mean() if goal is not None else slow.mean())
    missed |= others(max(lives // 4, 1))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
