"""What a person should know of the data before trusting what was learned from them: when it is told, and how.

Each is a note of the data set, and is kept with its numbers in the data set's profile. The limits are from every column
of some two thousand real tables taken as the target in turn (docs/decisions/0063).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sluicegate.domain.alone import Power, Presence
    from sluicegate.domain.repeats import Repeats

Kind = Literal[
    "tells_target",
    "missing_tells_target",
    "differing",
    "held_out_in_vain",
    "few_rows",
    "mostly_one_value",
    "few_values",
    "counts_rows",
]

#: a column that tells the target alone this well: AUC, balanced accuracy's share above guessing, R²
_AUC, _ACCURACY, _R2 = 0.99, 0.98, 0.99
#: a column that is missing (or there) in this share of a class's rows, and at most in that share of the others
_INSIDE, _OUTSIDE = 0.2, 0.005
#: of what one answer for all gets wrong, what equal rows leave unreachable; rows held out that are learned from
_UNREACHABLE, _AGAIN, _FEWEST = 0.1, 0.01, 10
#: equal rows are told of when there are so many times more than chance makes
_ABOVE_CHANCE = 10
_MOSTLY = 0.95
_FEW_VALUES = 20
_ENOUGH = 10
_SHOWN = 5


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


def alone(
    target: str, classes: Sequence[str], powers: Mapping[str, Power], presences: Mapping[str, Presence]
) -> list[Finding]:
    """Columns that tell the target by themselves, by their values or by being missing. ``classes``: those that were
    looked at, none of a number; how many they are decides the measure."""
    unit, limit = {0: ("R²", _R2), 2: ("AUC", _AUC)}.get(len(classes), ("balanced accuracy", _accuracy(len(classes))))
    by_missing = {
        name: found for name, found in presences.items() if found.inside >= _INSIDE and found.outside <= _OUTSIDE
    }
    telling = {name: found for name, found in powers.items() if found.worse >= limit}
    for name, presence in by_missing.items():
        if presence.auc >= _AUC:  # the values say no more than that
            telling.pop(name, None)
    found = []
    if telling:
        best = sorted(telling, key=lambda name: (-telling[name].checked, name))
        rest = [(power.worse, name) for name, power in powers.items() if name not in telling and name not in by_missing]
        shown = _listed([f"{name} ({unit} {telling[name].checked:.4g})" for name in best])
        tell = "tells" if len(best) == 1 else "each tell"
        second = ""
        if rest:
            value, name = max(rest, key=lambda pair: (pair[0], pair[1]))
            second = f"; of the other columns {name} does best ({max(value, 0.0):.3g})"
        text = f"{shown} alone {tell} {target} in rows not learned from{second}. {_exclude(best)}"
        numbers: dict[str, Any] = {"measure": unit, "values": [telling[name].checked for name in best]}
        found.append(Finding("tells_target", text, tuple(best), numbers))
    for of_class, present in sorted({(one.of_class, one.present) for one in by_missing.values()}):
        named = [
            name
            for name, one in sorted(by_missing.items(), key=lambda pair: (-pair[1].auc, pair[0]))
            if (one.of_class, one.present) == (of_class, present) and name not in telling
        ]
        if not named:
            continue
        shares = [(by_missing[name].inside, by_missing[name].outside) for name in named]
        how = "there" if present else "missing"
        each = [
            f"{name}{f' is {how}' if name == named[0] else ''} in {_percent(a)} of the rows, elsewhere in {_percent(b)}"
            for name, (a, b) in zip(named, shares, strict=True)
        ]
        text = f"Where {target} is {classes[of_class][:60]}, {_listed(each, '; ')}. {_exclude(named)}"
        numbers = {"class": classes[of_class], "present": present, "shares": [list(pair) for pair in shares]}
        found.append(Finding("missing_tells_target", text, tuple(named), numbers))
    return found


def telling(profile: Mapping[str, Any]) -> list[str]:
    """The columns of which a data set's profile says that they tell the target by themselves."""
    kinds = ("tells_target", "missing_tells_target")
    return [name for found in profile.get("findings") or () if found["kind"] in kinds for name in found["columns"]]


def _accuracy(classes: int) -> float:
    return 1 - (1 - _ACCURACY) * (1 - 1 / max(classes, 1))


def _exclude(names: Sequence[str]) -> str:
    which = "it is" if len(names) == 1 else "they are"
    quoted = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return f"If {which} known only after the outcome: features.exclude: [{quoted}] in model.yaml."


def _listed(texts: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return between.join(texts[:_SHOWN]) + more


def equal_rows(
    target: str, repeats: Repeats, alike: Sequence[float], counts: Mapping[str, int], sampled: bool, by_time: bool
) -> list[Finding]:
    """Equal rows with other labels, and rows held out that are equal to some learned from.

    ``alike``: of each column, the chance that two rows have the same value. Columns hang together, so the chance that
    two rows are equal is taken as the least of them times the root of the others: where that alone makes equal rows,
    nothing is told.
    """
    found = []
    looked = f" ({repeats.rows:,} rows looked at)" if sampled else ""
    differing = repeats.differing / max(1, repeats.rows)
    if repeats.unreachable >= _UNREACHABLE and repeats.differing >= _FEWEST:
        best = f"be right about more than {_percent(1 - repeats.wrong / repeats.rows)} of the rows"
        if not repeats.wrong:
            best = f"have R² above {1 - repeats.unreachable:.3g}"
        text = (
            f"{_percent(differing)} of the rows have the same features as a row with another {target}{looked}: from "
            f"these columns no model can {best}. A column that tells them apart is missing, or labels are wrong."
        )
        numbers = {"rows": repeats.rows, "differing": repeats.differing, "unreachable": repeats.unreachable}
        found.append(Finding("differing", text, (), numbers))
    again = repeats.again / max(1, repeats.held)
    shares = sorted(math.log(max(share, 1e-300)) for share in alike)
    chance = math.log(max(1, counts["train"] + counts["validation"])) + shares[0] + sum(shares[1:]) / 2
    if not by_time and repeats.again >= _FEWEST and again >= max(_AGAIN, _ABOVE_CHANCE * math.exp(min(chance, 0.0))):
        text = (
            f"{_percent(again)} of the rows held out have the same features as a row that is learned from{looked}, "
            f"{_percent(repeats.copied / repeats.again)} of them the same {target}, too: metrics are too good by them. "
            "Remove rows that are there twice, or let id_column name what such rows share: it keeps them together."
        )
        numbers = {"held": repeats.held, "again": repeats.again, "copied": repeats.copied}
        found.append(Finding("held_out_in_vain", text, (), numbers))
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.01 else f"{100 * share:.3g} %"


def few_rows(target: str, by_class: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Classes of several with few rows held out. Of two the verdict says it, and one that has none is another note."""
    few = {name: rows["holdout"] for name, rows in by_class.items() if 0 < rows["holdout"] < _ENOUGH}
    if len(by_class) < 3 or not few:
        return []
    shown = _listed(
        [f"{name[:60]} ({rows})" for name, rows in sorted(few.items(), key=lambda pair: (pair[1], pair[0]))]
    )
    text = f"Classes of {target} with fewer than {_ENOUGH} rows held out: {shown}. Metrics say little of them."
    return [Finding("few_rows", text, (), {"classes": few})]


def of_numbers(
    target: str, most_frequent: float, share: float, distinct: int, whole: bool, said: bool
) -> list[Finding]:
    """A numeric target that hardly differs, or that may be classes. ``share``: of the rows with its most frequent
    value; ``said``: model.yaml says that it is a quantity."""
    if share >= _MOSTLY:
        text = f"{target} is {most_frequent:g} in {_percent(share)} of the rows: metrics go by the few others."
        return [Finding("mostly_one_value", text, (target,), {"value": most_frequent, "share": share})]
    if said or not whole or distinct > _FEW_VALUES:
        return []
    text = (
        f"The target {target} has {distinct} different whole numbers, taken as a quantity. If they are classes, set "
        "problem: multiclass in model.yaml."
    )
    return [Finding("few_values", text, (target,), {"distinct": distinct})]


def counts_rows(names: Sequence[str]) -> list[Finding]:
    """Whole numbers without a gap, each in one row."""
    if not names:
        return []
    number = "numbers" if len(names) == 1 else "number"
    text = (
        f"{_listed(names)} {number} the rows: whole, all different, hardly a gap. If that only names a row: "
        f"features.exclude: [{', '.join(names[:_SHOWN])}] in model.yaml."
    )
    return [Finding("counts_rows", text, tuple(names))]
