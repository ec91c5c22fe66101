"""How an experiment went: its looks in short, few enough for an item of the registry however long it runs.

The looks in full are objects of their own; the course is what a person sees of them at a glance, and what a plot needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: a point has some 60 bytes a lane and 120 a comparison: with five lanes the course stays below 100 KB
LONGEST = 120


def point(look: Mapping[str, Any]) -> dict[str, Any]:
    """A look's JSON in short: ``{at, decision, lanes: {slot: {exposures, outcomes, mean, share}}, comparisons: {slot:
    {difference, low, high, p}}}``; ``share`` is the traffic from this look on."""
    weights = look.get("weights") or {}
    return {
        "at": look["at"],
        "decision": look["decision"]["kind"],
        "lanes": {
            lane["lane"]: {
                "exposures": lane["exposures"],
                "outcomes": lane["outcomes"],
                "mean": lane["mean"],
                "share": weights.get(lane["lane"], lane["share"]),
            }
            for lane in look["lanes"]
        },
        "comparisons": {
            one["lane"]: {name: one[name] for name in ("difference", "low", "high", "p")} for one in look["comparisons"]
        },
    }


def extended(course: Sequence[Mapping[str, Any]], following: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The course with one point more; every second of the older ones goes when it gets too long, never the first.

    >>> [each["at"] for each in extended([{"at": n} for n in range(LONGEST)], {"at": LONGEST})][:4]
    [0, 2, 4, 6]
    """
    found = [*course, following]
    return found if len(found) <= LONGEST else [*found[:-1:2], found[-1]]


def same_numbers(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    """Whether a look says nothing that the one before it didn't: only the time went on."""
    if one is None:
        return False
    passing = {"at", "elapsed"}
    return {k: v for k, v in one.items() if k not in passing} == {k: v for k, v in other.items() if k not in passing}
