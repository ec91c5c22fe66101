"""A challenger that sees copies of requests: nobody gets its answers, they are compared with the champion's.

Counts of the lane ``shadow`` mean: exposures are copies, outcomes are copies whose two answers could be compared, their
total how often they agreed. Errors and latencies are the challenger's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sluicegate.domain.experiment.tally import Cohort, Tally

SHADOW = "shadow"
#: not a lane of traffic: its outcomes are how far the answers are apart
DIFFERENCE = "shadow-difference"
#: of the interval around the agreement
_Z = 1.959963984540054


def shadow_look(
    design: Mapping[str, Any], lanes: Mapping[str, Sequence[Cohort]], now: float, started: float
) -> dict[str, Any]:
    """A look in the shape of ``experiment.Look.to_json``, and ``agreement``: {compared, agreed, share, low, high,
    difference} (the mean of how far the answers are apart).

    It never promotes: a shadow's answers have no outcomes. It ends when its time is over.
    """
    champion = str(design["champion"])
    tallies = {lane: _total(lanes.get(lane, ())) for lane in (champion, SHADOW)}
    agreement = agreed(tallies[SHADOW]) | {"difference": _total(lanes.get(DIFFERENCE, ())).mean}
    over = now - started >= design["max_duration"]
    said = (
        f"{agreement['agreed']} of {agreement['compared']} answers agree ({agreement['share']:.1%})"
        if agreement["compared"]
        else "No answers were compared"
    )
    return {
        "at": now,
        "elapsed": now - started,
        "method": "shadow",
        "decision": {"kind": "keep" if over else "continue", "lane": None},
        "reason": f"The time is over: {said[:1].lower()}{said[1:]}." if over else f"{said}.",
        "lanes": [_lane(lane, tally, design["sample"] if lane == SHADOW else 1.0) for lane, tally in tallies.items()],
        "comparisons": [],
        "guardrails": [],
        "srm_p": None,
        "information": None,
        "tested": False,
        "weights": None,
        "agreement": agreement,
    }


def _total(cohorts: Sequence[Cohort]) -> Tally:
    return sum((cohort.tally for cohort in cohorts), Tally())


def agreed(tally: Tally) -> dict[str, Any]:
    """How often the answers agreed, with Wilson's interval (1927, Journal of the American Statistical Association 22).

    >>> found = agreed(Tally(outcomes=100, total=90.0, squares=90.0))
    >>> found["agreed"], round(found["low"], 3), round(found["high"], 3)
    (90, 0.826, 0.945)
    """
    compared, same = tally.outcomes, round(tally.total)
    if compared == 0:
        return {"compared": 0, "agreed": 0, "share": None, "low": None, "high": None}
    share, square = same / compared, _Z * _Z
    middle = (share + square / (2 * compared)) / (1 + square / compared)
    half = _Z * math.sqrt(share * (1 - share) / compared + square / (4 * compared**2)) / (1 + square / compared)
    return {
        "compared": compared,
        "agreed": same,
        "share": share,
        "low": max(0.0, middle - half),
        "high": min(1.0, middle + half),
    }


def _lane(lane: str, tally: Tally, share: float) -> dict[str, Any]:
    return {
        "lane": lane,
        "share": share,
        "exposures": tally.exposures,
        "outcomes": tally.outcomes,
        "mean": tally.mean if lane == SHADOW else None,
        "error": None,
        "errors": tally.errors,
        "latency_p50": tally.latency.quantile(0.5),
        "latency_p95": tally.latency.quantile(0.95),
        "best": None,
        "design_effect": 1.0,
    }
