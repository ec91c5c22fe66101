"""The boundaries of a group-sequential test: few looks on the way to a declared horizon, with alpha spent as they come.

Spending: Lan & DeMets 1983, Biometrika 70(3), with the function that is like O'Brien & Fleming's boundaries (1979,
Biometrics 35(3)): almost nothing early, so that the last look is nearly a test of fixed size. For looks at fractions
t1 < t2 < … of the horizon's information, the statistics B(t) = Z √t have independent normal increments; the boundary
of look k is where exactly what may be spent until then is spent, by integrating the density of the paths that are
still inside from look to look (Armitage, McPherson & Rowe 1969, JRSS A 132(2); Jennison & Turnbull 2000, Group
Sequential Methods, chapter 19).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sluicegate.domain.experiment.estimates import NORMAL

#: points of the Gauss-Legendre rule between the boundaries: the error stays below 1e-6 with 50 looks
_POINTS = 64
_ROOT_2 = math.sqrt(2)
_ROOT_2_PI = math.sqrt(2 * math.pi)
#: no boundary is wider: a normal variable is beyond it once in 10^19
_WIDEST = 9.0
#: all paths begin at 0
_START: tuple[tuple[float, float], ...] = ((0.0, 1.0),)


def spent(fraction: float, alpha: float) -> float:
    """What of a two-sided ``alpha`` may be spent until ``fraction`` of the information is in."""
    if fraction <= 0:
        return 0.0
    if fraction >= 1:
        return alpha
    # each side spends its alpha/2 by 2 − 2 Φ(z(alpha/4) / √t)
    return 2 * math.erfc(-NORMAL.inv_cdf(alpha / 4) / math.sqrt(2 * fraction))


def boundaries(fractions: tuple[float, ...], alpha: float, *, final: bool = False) -> tuple[float, ...]:
    """For each look the |z| at which it rejects.

    ``fractions`` of the horizon's information, rising; above 1 is more than was planned. ``final`` spends at the last
    look what is left, wherever it is. Raises ``ValueError`` where they don't rise.
    """
    if any(later <= earlier for earlier, later in zip((0.0, *fractions), fractions, strict=False)):
        raise ValueError(f"information fractions that don't rise from 0: {fractions}")
    return _walk(fractions, alpha, final).bounds


@dataclass(frozen=True)
class _Walk:
    """Up to a look: its bounds, what they have spent, and the paths before it as places and weights."""

    bounds: tuple[float, ...] = ()
    used: float = 0.0
    inside: tuple[tuple[float, float], ...] = ()
    step: float = 0.0
    bound: float = 0.0


@lru_cache(maxsize=1024)
def _walk(fractions: tuple[float, ...], alpha: float, final: bool) -> _Walk:
    """Each look goes on from the walk to the one before, which is remembered from when that look was taken."""
    if not fractions:
        return _Walk()
    before = _walk(fractions[:-1], alpha, False)
    now, last = fractions[-1], fractions[-2] if len(fractions) > 1 else 0.0
    inside = _carried(before.inside, before.step, before.bound) if before.bounds else _START
    budget = (alpha if final else spent(now, alpha)) - before.used
    step = math.sqrt(now - last)
    bound = _bound(inside, step, math.sqrt(now), budget)
    used = before.used + _leaving(inside, step, bound)
    return _Walk((*before.bounds, bound / math.sqrt(now)), used, inside, step, bound)


def crossing(fractions: Sequence[float], bounds: Sequence[float], drift: float = 0.0) -> list[float]:
    """The probability of leaving through either side first at each look, when B(t) drifts by ``drift`` × t.

    With a drift of z(alpha/2) + z(power) it tells the power and how soon it decides.
    """
    inside = _START
    found: list[float] = []
    before = 0.0
    for fraction, z in zip(fractions, bounds, strict=True):
        step, move, bound = math.sqrt(fraction - before), drift * (fraction - before), z * math.sqrt(fraction)
        found.append(_leaving(inside, step, bound, move))
        inside = _carried(inside, step, bound, move)
        before = fraction
    return found


def fixed_size(minimum_effect: float, variance: float, alpha: float, power: float) -> float:
    """Outcomes of each of two equal lanes that a test with one look needs; ``variance`` of one outcome."""
    return 2 * variance * ((NORMAL.inv_cdf(1 - alpha / 2) + NORMAL.inv_cdf(power)) / minimum_effect) ** 2


def _bound(inside: Sequence[tuple[float, float]], step: float, root: float, budget: float) -> float:
    """Where exactly ``budget`` leaves: Newton's method on the logarithm, kept within what is known to hold it."""
    low, high = 0.0, _WIDEST * root
    if budget <= 0 or _leaving(inside, step, high) >= budget:
        return high
    bound = min(-NORMAL.inv_cdf(min(budget, 0.5) / 2) * root, high)
    for _ in range(100):
        leaving = _leaving(inside, step, bound)
        if leaving > budget:
            low = bound
        else:
            high = bound
        slope = _density(inside, step, bound) + _density(inside, step, -bound)
        move = math.log(leaving / budget) * leaving / slope if slope > 0 and leaving > 0 else math.inf
        if abs(move) < 1e-10:
            return bound
        bound += move
        if not low < bound < high:
            bound = (low + high) / 2
    return high


def _density(inside: Sequence[tuple[float, float]], step: float, place: float) -> float:
    half, exp = -0.5 / (step * step), math.exp
    return sum(weight * exp(half * (place - other) ** 2) for other, weight in inside) / (step * _ROOT_2_PI)


def _leaving(inside: Sequence[tuple[float, float]], step: float, bound: float, move: float = 0.0) -> float:
    scale = step * _ROOT_2
    erfc = math.erfc
    return (
        sum(
            weight * (erfc((bound - place - move) / scale) + erfc((bound + place + move) / scale))
            for place, weight in inside
        )
        / 2
    )


def _carried(
    inside: Sequence[tuple[float, float]], step: float, bound: float, move: float = 0.0
) -> tuple[tuple[float, float], ...]:
    """The paths that stayed within ± ``bound`` after a normal step: places and weights of the integration rule."""
    exp, scale = math.exp, 1 / (step * _ROOT_2_PI)
    half = -0.5 / (step * step)
    found = []
    for node, share in _legendre(_POINTS):
        place = bound * node
        here = place - move
        density = sum(weight * exp(half * (here - other) ** 2) for other, weight in inside)
        found.append((place, share * bound * scale * density))
    return tuple(found)


@lru_cache(maxsize=4)
def _legendre(points: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights of Gauss and Legendre's rule on (−1, 1): the roots of the polynomial, by Newton's method."""
    found = []
    for index in range(points):
        x = math.cos(math.pi * (index + 0.75) / (points + 0.5))
        slope = 0.0
        for _ in range(100):
            previous, value = 1.0, x
            for degree in range(2, points + 1):
                previous, value = value, ((2 * degree - 1) * x * value - (degree - 1) * previous) / degree
            slope = points * (x * value - previous) / (x * x - 1)
            change = value / slope
            x -= change
            if abs(change) < 1e-15:
                break
        found.append((x, 2 / ((1 - x * x) * slope * slope)))
    return tuple(found)
