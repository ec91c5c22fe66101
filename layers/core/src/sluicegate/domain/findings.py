"""What a person should know of the data before trusting what was learned from them: when it is told, and how.

Each finding is a note of the data set, and is kept with its numbers in the data set's profile. None refuses a version:
whether a column is known in time, or rows may repeat, can't be seen in the data. How often tables that nobody prepared
are told of anything was measured with ``benchmarks/findings.py`` (docs/decisions/0063).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sluicegate.domain.duplicates import Duplicates
    from sluicegate.domain.leakage import Missingness, Predictor

Kind = Literal[
    "predicts_target",
    "missing_predicts_target",
    "contradicting_labels",
    "held_out_duplicates",
    "few_held_out",
    "mostly_one_value",
    "few_values",
    "row_number",
]

#: a column that predicts the target alone this well: AUC, balanced accuracy's share above guessing, R²
_AUC, _ACCURACY, _R2 = 0.99, 0.98, 0.99
#: a column that is empty (or filled in) in this share of a class's rows, and at most in that share of the others
_INSIDE, _OUTSIDE = 0.2, 0.005
#: χ² of one degree of freedom: by chance once in 4 billion, which allows for thousands of columns and classes
_SURE = 40.0
#: of what one answer for all gets wrong, what equal rows leave unreachable; rows held out that are learned from
_UNREACHABLE, _REPEATED, _FEWEST = 0.1, 0.01, 10
#: equal rows are told of when there are so many times more than chance makes
_ABOVE_CHANCE = 10
_MOSTLY = 0.95
#: a target of at most so many whole numbers may be classes, if none of them is rarer than this share of an even one
_FEW_VALUES, _EVEN = 20, 0.2
_ENOUGH = 10
_SHOWN = 5
_LONGEST = 60
#: a name that YAML takes as it is, within a list in one line
_PLAIN = re.compile(r"[^\W\d][\w .()/+-]*")


@dataclass(frozen=True)
class Finding:
    """``columns`` are those that it is about; ``numbers`` what was measured; ``text`` says it all."""

    kind: Kind
    text: str
    columns: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": self.kind, "text": self.text, "columns": list(self.columns)}
        return {**found, **self.numbers}


def leaks(profile: Mapping[str, Any]) -> list[str]:
    """The columns that by a data set's profile may leak the label."""
    kinds = ("predicts_target", "missing_predicts_target")
    return [name for found in profile.get("findings") or () if found["kind"] in kinds for name in found["columns"]]


def possible_leaks(
    target: str,
    classes: Sequence[str],
    predictors: Mapping[str, Predictor],
    gaps: Mapping[str, Missingness],
    shared: Collection[str],
) -> list[Finding]:
    """Columns that predict the target by themselves, by their values or by being empty. ``classes``: those that were
    looked at, none of a number; how many they are decides the measure. ``shared``: columns whose values most rows
    share with others."""
    unit, limit = {0: ("R²", _R2), 2: ("AUC", _AUC)}.get(len(classes), ("balanced accuracy", _accuracy(len(classes))))
    by_gaps = {
        name: gap for name, gap in gaps.items() if gap.inside >= _INSIDE and gap.outside <= _OUTSIDE and gap.g >= _SURE
    }
    by_value = {
        name: found.score
        for name, found in predictors.items()
        # where a gap tells two classes apart, the values say no more
        if found.score >= limit and not (len(classes) == 2 and name in by_gaps and by_gaps[name].auc >= _AUC)
    }
    found = []
    if by_value:
        rest = {name: one.score for name, one in predictors.items() if name not in by_value and name not in by_gaps}
        found.append(_predicts(target, unit, by_value, rest, shared))
    grouped: dict[tuple[int, bool], dict[str, Missingness]] = {}
    for name, gap in by_gaps.items():
        if name not in by_value:
            grouped.setdefault((gap.of_class, gap.filled), {})[name] = gap
    return found + [_gaps(target, classes[of_class], grouped[of_class, filled]) for of_class, filled in sorted(grouped)]


def _predicts(
    target: str, unit: str, scores: Mapping[str, float], rest: Mapping[str, float], shared: Collection[str]
) -> Finding:
    best = sorted(scores, key=lambda name: (-scores[name], name))
    shown = _listed([f"{name} ({unit} {scores[name]:.4g})" for name in best])
    one = len(best) == 1
    subject = (
        f"{shown} predicts {target} by itself" if one else f"Each of these columns predicts {target} by itself: {shown}"
    )
    next_best = max(rest, key=lambda name: (rest[name], name), default=None)
    other = f"; the next best column is {next_best} ({max(rest[next_best], 0.0):.2f})" if next_best is not None else ""
    groups = [name for name in best if name in shared]
    keep = (
        f" If {' or '.join(groups[:_SHOWN])} stands for what several rows share, such as a person, set id_column to "
        "it: such rows then stay in the same split."
    )
    text = f"{subject}{other}. {_leave_out(best)}{keep if groups else ''}"
    return Finding("predicts_target", text, tuple(best), {"measure": unit, "values": [scores[name] for name in best]})


def _gaps(target: str, of_class: str, gaps: Mapping[str, Missingness]) -> Finding:
    """``gaps``: all of one class, and all empty there or all filled in."""
    names = sorted(gaps, key=lambda name: (-gaps[name].auc, name))
    filled = gaps[names[0]].filled
    how = "filled in" if filled else "empty"
    each = [f"{name} ({_percent(gaps[name].inside)} against {_percent(gaps[name].outside)})" for name in names]
    text = f"Where {target} is {of_class[:_LONGEST]}, these are {how} much more often than elsewhere: {_listed(each)}."
    if len(names) == 1:
        gap = gaps[names[0]]
        text = (
            f"{names[0]} is {how} for {_percent(gap.inside)} of the rows where {target} is {of_class[:_LONGEST]}, and "
            f"for {_percent(gap.outside)} of the others."
        )
    shares = [[gaps[name].inside, gaps[name].outside] for name in names]
    numbers = {"class": of_class, "filled": filled, "shares": shares}
    return Finding("missing_predicts_target", f"{text} {_leave_out(names)}", tuple(names), numbers)


def _accuracy(classes: int) -> float:
    return 1 - (1 - _ACCURACY) * (1 - 1 / max(classes, 1))


def _leave_out(names: Sequence[str]) -> str:
    known, leak, them = ("it is", "it leaks", "it") if len(names) == 1 else ("they are", "they leak", "them")
    return (
        f"If {known} only known after the outcome, {leak} the label: leave {them} out with {_exclude(names)} in "
        "model.yaml."
    )


def _exclude(names: Sequence[str]) -> str:
    written = [name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in names[:_SHOWN]]
    return f"features.exclude: [{', '.join(written)}{', …' * (len(names) > _SHOWN)}]"


def _listed(texts: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return between.join(texts[:_SHOWN]) + more


def equal_rows(
    target: str, found: Duplicates, alike: Sequence[float], learned: int, sampled: bool, by_time: bool
) -> list[Finding]:
    """Equal rows with other labels, and rows held out that are equal to some learned from.

    ``alike``: of each column, the chance that two rows have the same value; ``learned``: how many rows are learned
    from. With time as the split, what comes again later is held out rightly.
    """
    told = []
    looked = f" ({found.rows:,} rows were looked at)" if sampled else ""
    if found.unreachable >= _UNREACHABLE and found.contradicting >= _FEWEST:
        best = f"be right about more than {_percent(1 - found.wrong / found.rows)} of the rows"
        if not found.wrong:
            best = f"have R² above {1 - found.unreachable:.3g}"
        text = (
            f"{_percent(found.contradicting / found.rows)} of the rows have the same features as another row but a "
            f"different {target}{looked}, so no model can {best}. Look for wrong labels among them, or add a column "
            "that tells such rows apart."
        )
        numbers = {"rows": found.rows, "contradicting": found.contradicting, "unreachable": found.unreachable}
        told.append(Finding("contradicting_labels", text, (), numbers))
    repeated = found.learned / max(1, found.held)
    by_chance = min(learned * _alike(alike), 1.0)
    if not by_time and found.learned >= _FEWEST and repeated >= max(_REPEATED, _ABOVE_CHANCE * by_chance):
        text = (
            f"{_percent(repeated)} of the held-out rows have the same features as a row that is learned from{looked}, "
            f"and {_percent(found.copied / found.learned)} of those the same {target}, too: metrics look better than "
            "they will be for new rows. Remove duplicate rows, or let id_column name a column that such rows share: "
            "rows with the same id stay in the same split."
        )
        numbers = {"held": found.held, "learned": found.learned, "copied": found.copied}
        told.append(Finding("held_out_duplicates", text, (), numbers))
    return told


def _alike(columns: Sequence[float]) -> float:
    """The chance that two rows are equal. Were columns independent it would be the product of theirs; but they hang
    together, so it is taken as the least of them times the square root of the others'."""
    shares = sorted(math.log(max(share, 1e-300)) for share in columns)
    return math.exp(shares[0] + sum(shares[1:]) / 2)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.01 else f"{100 * share:.3g} %"


def few_held_out(target: str, by_class: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Classes of several with few rows held out. Of two the verdict says it, and one that has none is another note."""
    few = {name: rows["holdout"] for name, rows in by_class.items() if 0 < rows["holdout"] < _ENOUGH}
    if len(by_class) < 3 or not few:
        return []
    rarest = sorted(few, key=lambda name: (few[name], name))
    shown = _listed([f"{name[:_LONGEST]} ({few[name]})" for name in rarest])
    text = (
        f"These classes of {target} have fewer than {_ENOUGH} held-out rows: {shown}. Their own metrics are uncertain "
        "until there are more rows of them."
    )
    return [Finding("few_held_out", text, (), {"classes": few})]


def of_numbers(target: str, shares: Mapping[float, float], declared: bool) -> list[Finding]:
    """A numeric target that hardly differs, or that may be classes. ``shares``: each value's of the rows; ``declared``:
    model.yaml says that it is a quantity."""
    most_frequent = max(shares, key=lambda value: (shares[value], value))
    share, distinct = shares[most_frequent], len(shares)
    if share >= _MOSTLY:
        text = (
            f"{target} is {most_frequent:g} in {_percent(share)} of the rows, so its metrics depend on the few others. "
            f"If the question is whether it is {most_frequent:g}, make that the target."
        )
        return [Finding("mostly_one_value", text, (target,), {"value": most_frequent, "share": share})]
    counts = min(shares.values()) * distinct < _EVEN  # of children, of visits: the great ones are rare
    if declared or counts or distinct > _FEW_VALUES or any(value != math.trunc(value) for value in shares):
        return []
    text = (
        f"{target} has only {distinct} different whole numbers and is learned as a quantity. If they are classes, set "
        "problem: multiclass in model.yaml; problem: regression ends this note."
    )
    return [Finding("few_values", text, (target,), {"distinct": distinct})]


def row_numbers(names: Sequence[str]) -> list[Finding]:
    """Whole numbers without a gap, each in one row."""
    if not names:
        return []
    subject = "looks like a row number" if len(names) == 1 else "look like row numbers"
    which = "it only identifies a row" if len(names) == 1 else "they only identify a row"
    text = (
        f"{_listed(names)} {subject}: whole numbers, all different, hardly a gap. If {which}, leave "
        f"{'it' if len(names) == 1 else 'them'} out with {_exclude(names)} in model.yaml."
    )
    return [Finding("row_number", text, tuple(names))]
