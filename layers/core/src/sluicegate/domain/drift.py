"""Has what comes in, what goes out, or how good it is moved away from training?

Two things must agree before a column counts as drifted. The population stability index says that the change is large:
PSI = Σ (q − p) log(q / p) over the bins, with the shares p in training and q now; by the rule of thumb of credit
scoring below .1 is little, above .25 much (Siddiqi 2006, Credit Risk Scorecards, chapter 9; Yurdakul & Naranjo 2020,
Journal of Risk Model Validation 14(4), on how it grows with few rows). A chi-square test of homogeneity says that it is
no accident of few rows, at a false discovery rate over all columns (Benjamini & Hochberg 1995, JRSS B 57(1)). With many
rows every change is significant and PSI decides, with few the test does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluicegate.domain.distribution import Distribution
from sluicegate.domain.measures import LOWER_IS_BETTER, Estimate

#: in each bin, so that an empty one is improbable and not impossible
_SMOOTHING = 0.5
#: expected counts below it are pooled before the chi-square test (Cochran 1954, Biometrics 10(4))
_FEWEST_EXPECTED = 5.0


@dataclass(frozen=True)
class Thresholds:
    """``psi`` and ``rate`` (of false discoveries) must both be reached; below ``rows`` nothing is compared."""

    psi: float = 0.2
    rate: float = 0.01
    rows: int = 200


@dataclass(frozen=True)
class ColumnDrift:
    """``p``: of the test alone; ``adjusted``: after correction for all columns. Shares are of all rows.

    ``unseen``: the share of values that training had none of, or only among the rare ones.
    """

    name: str
    psi: float
    p: float
    adjusted: float
    rows: int
    missing_before: float
    missing: float
    unseen: float
    drifted: bool
    reason: str

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class QualityDrift:
    """The metric that decides, by the evaluation and by feedback, each with its 95 % interval."""

    metric: str
    expected: Estimate
    seen: Estimate
    rows: int
    drifted: bool
    reason: str

    def to_json(self) -> dict[str, Any]:
        plain = dict(vars(self))
        return plain | {"expected": self.expected.to_json(), "seen": self.seen.to_json()}


@dataclass(frozen=True)
class DriftReport:
    """``columns`` by PSI, the largest first. ``not_compared``: why, by column (or all columns: ``*``)."""

    rows: int
    columns: tuple[ColumnDrift, ...]
    prediction: ColumnDrift | None
    quality: QualityDrift | None
    not_compared: Mapping[str, str]
    drifted: bool
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "columns": [column.to_json() for column in self.columns],
            "prediction": None if self.prediction is None else self.prediction.to_json(),
            "quality": None if self.quality is None else self.quality.to_json(),
            "not_compared": dict(self.not_compared),
            "drifted": self.drifted,
            "reasons": list(self.reasons),
        }


def compare(
    trained: Mapping[str, Distribution],
    seen: Mapping[str, Distribution],
    *,
    prediction: tuple[Distribution, Distribution] | None = None,
    quality: QualityDrift | None = None,
    thresholds: Thresholds = Thresholds(),
) -> DriftReport:
    """``seen`` has the bins of ``trained`` (``Distribution.counting``). ``prediction``: the evaluation's, and now's.

    Raises ``ValueError`` where bins differ.
    """
    why: dict[str, str] = {}
    if not trained:
        why["*"] = "no profile to compare with: the data set is from before distributions were kept; train again"
    pairs: dict[str, tuple[Distribution, Distribution]] = {}
    for name, before in trained.items():
        now = seen.get(name)
        if now is None or now.rows < thresholds.rows:
            why[name] = f"{now.rows if now else 0} rows; {thresholds.rows} are needed"
        elif before.rows == 0:
            why[name] = "no training row to compare with"
        else:
            pairs[name] = (before, now)
    predicted = None
    if prediction is not None and prediction[1].rows < thresholds.rows:
        why["prediction"] = f"{prediction[1].rows} predictions; {thresholds.rows} are needed"
    elif prediction is not None:
        # a test of its own: many columns that drift don't make it easier to drift
        predicted = _judged("predictions", *prediction, chi_square(*prediction), None, thresholds)
    tests = {name: chi_square(*pair) for name, pair in pairs.items()}
    adjusted = benjamini_hochberg(tests)
    columns = [_judged(name, *pair, tests[name], adjusted[name], thresholds) for name, pair in pairs.items()]
    columns.sort(key=lambda column: (-column.psi, column.name))
    moved = [column.reason for column in columns if column.drifted]
    moved += [one.reason for one in (predicted, quality) if one is not None and one.drifted]
    rows = max((now.rows for now in seen.values()), default=0)
    return DriftReport(rows, tuple(columns), predicted, quality, why, bool(moved), tuple(moved))


def quality(metric: str, expected: Estimate, seen: Estimate, rows: int, tolerance: float = 0.0) -> QualityDrift:
    """Worse than the evaluation found: the best that feedback allows is below the worst that was expected.

    That two 95 % intervals don't touch happens by accident less than once in 100 times.
    """
    lower = metric in LOWER_IS_BETTER
    worse = seen.low > expected.high + tolerance if lower else seen.high < expected.low - tolerance
    said = (
        f"{metric} is {seen.value:.4g} [{seen.low:.4g}, {seen.high:.4g}] by {rows:,} outcomes, "
        f"the evaluation found {expected.value:.4g} [{expected.low:.4g}, {expected.high:.4g}]"
    )
    return QualityDrift(metric, expected, seen, rows, worse, said + (": worse." if worse else "."))


def psi(before: Distribution, now: Distribution) -> float:
    """The population stability index; missing values are a bin of their own."""
    old, new = _cells(before, now)
    old_total, new_total = sum(old) + _SMOOTHING * len(old), sum(new) + _SMOOTHING * len(new)
    found = 0.0
    for one, other in zip(old, new, strict=True):
        was, is_ = (one + _SMOOTHING) / old_total, (other + _SMOOTHING) / new_total
        found += (is_ - was) * math.log(is_ / was)
    return found


def chi_square(before: Distribution, now: Distribution) -> float:
    """The p-value that both are of one distribution. Bins with few expected rows are pooled; when one is left, Fisher's
    exact test takes the place of chi-square's: a small evaluation, or one bin that has nearly everything."""
    old, new = _cells(before, now)
    old_total, new_total = sum(old), sum(new)
    if not old_total or not new_total:
        return 1.0
    least = min(old_total, new_total) / (old_total + new_total)
    cells: list[tuple[int, int]] = []
    pooled = (0, 0)
    for one, other in zip(old, new, strict=True):
        if (one + other) * least < _FEWEST_EXPECTED:
            pooled = (pooled[0] + one, pooled[1] + other)
        else:
            cells.append((one, other))
    if sum(pooled) * least >= _FEWEST_EXPECTED or not cells:
        cells.append(pooled)
    elif sum(pooled):  # too few even together: with the smallest bin
        place = min(range(len(cells)), key=lambda index: sum(cells[index]))
        cells[place] = (cells[place][0] + pooled[0], cells[place][1] + pooled[1])
    if len(cells) < 2:
        return _exact(old, new)
    statistic = 0.0
    for one, other in cells:
        for count, total in ((one, old_total), (other, new_total)):
            expected = (one + other) * total / (old_total + new_total)
            statistic += (count - expected) ** 2 / expected
    return chi_square_tail(statistic, len(cells) - 1)


def benjamini_hochberg(p_values: Mapping[str, float]) -> dict[str, float]:
    """Each p-value, adjusted: what is at most r has a false discovery rate of at most r."""
    ordered = sorted(p_values.items(), key=lambda pair: (-pair[1], pair[0]))
    found: dict[str, float] = {}
    least, count = 1.0, len(ordered)
    for place, (name, p) in enumerate(ordered):
        least = min(least, p * count / (count - place))
        found[name] = least
    return found


def _exact(old: Sequence[int], new: Sequence[int]) -> float:
    """Fisher's exact test, two-sided, of the fullest bin against the others (chosen by what both have in it together,
    which the test takes as given): the tables that are no more probable than this one (Fisher 1935, JRSS 98(1))."""
    sums = [one + other for one, other in zip(old, new, strict=True)]
    place = sums.index(max(sums))
    rest, small, total = sum(sums) - sums[place], sum(old), sum(sums)
    if rest == 0:
        return 1.0
    whole = _log_choose(total, small)

    def log_probability(count: int) -> float:
        return _log_choose(rest, count) + _log_choose(total - rest, small - count) - whole

    seen = log_probability(small - old[place]) + 1e-7
    counts = range(max(0, small - (total - rest)), min(rest, small) + 1)
    return min(1.0, sum(math.exp(found) for count in counts if (found := log_probability(count)) <= seen))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def chi_square_tail(statistic: float, degrees: int) -> float:
    """P(X ≥ statistic) of a chi-square variable: the upper incomplete gamma function Q(degrees / 2, statistic / 2).

    By its series where that is short, else by its continued fraction (Abramowitz & Stegun 6.5.29, 6.5.31).
    """
    if degrees <= 0 or statistic <= 0:
        return 1.0
    a, x = degrees / 2, statistic / 2
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while abs(term) > abs(total) * 1e-16:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1 - scale * total)
    # Lentz's algorithm
    b = x + 1 - a
    c, d = 1e300, 1 / b
    fraction = d
    for step in range(1, 10_000):
        factor = step * (a - step)
        b += 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return scale * fraction


def _cells(before: Distribution, now: Distribution) -> tuple[Sequence[int], Sequence[int]]:
    if (before.kind, before.edges, before.values) != (now.kind, now.edges, now.values):
        raise ValueError("distributions over different bins can't be compared")
    return (*before.counts, before.missing), (*now.counts, now.missing)


def _judged(
    name: str, before: Distribution, now: Distribution, p: float, adjusted: float | None, thresholds: Thresholds
) -> ColumnDrift:
    index, corrected = psi(before, now), p if adjusted is None else adjusted
    drifted = index >= thresholds.psi and corrected <= thresholds.rate
    was, missing = before.missing / max(before.rows, 1), now.missing / now.rows
    unseen = now.counts[-1] / now.rows if now.kind == "category" else 0.0
    said = f"{name}: PSI {index:.2f}, p = {corrected:.2g} over {now.rows:,} rows; {_largest(before, now)}"
    return ColumnDrift(name, index, p, corrected, now.rows, was, missing, unseen, drifted, said)


def _largest(before: Distribution, now: Distribution) -> str:
    """The bin that moved most, in words."""
    old, new = _cells(before, now)
    shares = [
        (other / max(now.rows, 1), one / max(before.rows, 1), place)
        for place, (one, other) in enumerate(zip(old, new, strict=True))
    ]
    is_, was, place = max(shares, key=lambda cell: abs(cell[0] - cell[1]))
    return f"{before.names[place]}: {was:.1%} → {is_:.1%}"
