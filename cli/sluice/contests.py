"""What the API says of an experiment, as table rows, lines and a plot in text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = (
    "lane",
    "version",
    "share",
    "exposures",
    "outcomes",
    "rate",
    "difference",
    "interval",
    "p",
    "p95 ms",
    "errors",
)
#: of a plot of the looks
WIDTH, HEIGHT = 61, 14
_BARS = "▁▂▃▄▅▆▇█"


def rows(experiment: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """A lane a row, the champion first. Without a look yet only versions and shares are known."""
    look = experiment.get("look") or {}
    seen = {lane["lane"]: lane for lane in look.get("lanes") or []}
    compared = {one["lane"]: one for one in look.get("comparisons") or []}
    weights = experiment.get("weights") or {}
    found = []
    for lane in experiment["lanes"]:
        slot = lane["slot"] if experiment["mode"] != "shadow" or lane["slot"] == "champion" else "shadow"
        numbers, one = seen.get(slot, {}), compared.get(slot, {})
        share = weights.get(slot)
        found.append(
            (
                slot,
                lane["version"],
                None if share is None else f"{share:.1%}",
                numbers.get("exposures"),
                numbers.get("outcomes"),
                numbers.get("mean"),
                None if one.get("difference") is None else f"{one['difference']:+.4g}",
                None if one.get("low") is None else f"{one['low']:+.4g} … {one['high']:+.4g}",
                one.get("p"),
                numbers.get("latency_p95"),
                numbers.get("errors"),
            )
        )
    return found


def repeats(experiment: Mapping[str, Any]) -> list[str]:
    """Of lanes whose subjects ask more than once, what their outcomes count as.

    >>> repeats({"look": {"lanes": [{"lane": "champion", "outcomes": 4000, "design_effect": 2.5}]}})
    ['champion: subjects ask more than once, and 4,000 outcomes count as 1,600']
    """
    lanes = (experiment.get("look") or {}).get("lanes") or []
    return [
        f"{lane['lane']}: subjects ask more than once, and {lane['outcomes']:,} outcomes count as "
        f"{lane['outcomes'] / lane['design_effect']:,.0f}"
        for lane in lanes
        if lane.get("design_effect", 1) > 1 and lane["outcomes"]
    ]


def headline(experiment: Mapping[str, Any]) -> str:
    """``c0ffee12, ab, running since 2026-11-22T12:00:00.000Z, 2 looks, lanes are endpoints; begun by ada: why``"""
    asked = experiment.get("asked") or {}
    since = experiment.get("ended_at") or experiment.get("started_at") or experiment["created_at"]
    text = f"{experiment['experiment']}, {experiment['mode']}, {said(experiment['status'])} since {since}"
    text += f", {experiment['looks']} look{'s' if experiment['looks'] != 1 else ''}"
    if experiment.get("lanes_as"):
        text += f", lanes are {experiment['lanes_as']}"
    if asked:
        text += f"; begun by {asked['who']}" + (f": {asked['why']}" if asked["why"] else "")
    return text


def said(status: str) -> str:
    return status.replace("_", " ")


def verdict(experiment: Mapping[str, Any]) -> tuple[str, str]:
    """A mark and what was decided, proposed, or seen last."""
    decision, proposal, look = (experiment.get(name) for name in ("decision", "proposal", "look"))
    if decision:
        mark = {"promote": "done", "failed": "bad", "invalid": "bad"}.get(decision["kind"], "note")
        return mark, f"{decision['kind']} (by {decision['by']}): {decision['reason']}"
    if proposal:
        return "note", f"{proposal['kind']} is proposed, a person decides: {proposal['reason']}"
    if look:
        return "work", look["reason"]
    return "work", "No look yet."


def bar(values: Sequence[float | None], lowest: float | None = None, highest: float | None = None) -> str:
    """A line of bars, as high as the values.

    >>> bar([0.0, 0.5, 1.0])
    '▁▅█'
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low = min(known) if lowest is None else lowest
    span = (max(known) if highest is None else highest) - low
    steps = len(_BARS) - 1
    return "".join(
        " " if value is None else _BARS[round((value - low) / span * steps) if span > 0 else 0] for value in values
    )


def shares(experiment: Mapping[str, Any]) -> list[str]:
    """Of a bandit: each lane's share of the traffic over the looks, as a line of bars."""
    course = experiment.get("course") or []
    if experiment["mode"] != "bandit" or len(course) < 2:
        return []
    slots = [lane["slot"] for lane in experiment["lanes"]]
    return [
        f"{slot:<14} {bar([point['lanes'].get(slot, {}).get('share') for point in course], 0.0, 1.0)}" for slot in slots
    ]


def plot(experiment: Mapping[str, Any], slot: str = "challenger") -> list[str]:
    """The challenger's difference and its interval, a column a look, with a line at no difference.

    ``|`` is the interval, ``o`` the difference, ``-`` no difference at all.
    """
    course = [point for point in experiment.get("course") or [] if slot in point["comparisons"]]
    every = max(1, -(-len(course) // WIDTH))
    shown = [*course[::every], *([course[-1]] if course and (len(course) - 1) % every else [])][-WIDTH:]
    if not shown:
        return []
    found = [point["comparisons"][slot] for point in shown]
    ends = [value for one in found for value in (one["low"], one["high"], one["difference"], 0.0) if value is not None]
    low, high = min(ends), max(ends)
    # an interval at the beginning is so wide that nothing else would be seen
    reach = 3 * max(abs(value) for value in _last(found))
    low, high = max(low, -reach), min(high, reach)
    span = (high - low) or 1.0

    def height(value: float) -> int:
        return round((min(max(value, low), high) - low) / span * (HEIGHT - 1))

    grid = [[" "] * len(found) for _ in range(HEIGHT)]
    zero = height(0.0)
    grid[zero] = ["-"] * len(found)
    for column, one in enumerate(found):
        if one["low"] is not None:
            for line in range(height(one["low"]), height(one["high"]) + 1):
                grid[line][column] = "|"
        grid[height(one["difference"])][column] = "o"
    lines = []
    for line in reversed(range(HEIGHT)):
        edge = {HEIGHT - 1: high, 0: low, zero: 0.0}.get(line)
        label = "" if edge is None else f"{edge:+.3g}"
        lines.append(f"{label:>8} {''.join(grid[line])}".rstrip())
    return lines


def _last(found: Sequence[Mapping[str, Any]]) -> list[float]:
    one = found[-1]
    return [value for value in (one["low"], one["high"], one["difference"]) if value is not None and value] or [1e-3]


class ContestStory:
    """What changed since the last time, for who watches: the moves of the history, and each new look."""

    def __init__(self) -> None:
        self._told = 0
        self._looks = 0

    def observe(self, experiment: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Lines (mark, text)."""
        history = experiment.get("history") or []
        lines = [
            ("bad" if line["status"] == "failed" else "done", f"{said(line['status'])}: {line['message']}")
            for line in history[self._told :]
        ]
        self._told = len(history)
        if experiment["looks"] > self._looks and experiment.get("look"):
            self._looks = experiment["looks"]
            lines.append(("work", f"look {self._looks}: {experiment['look']['reason']}"))
        return lines


def is_over(experiment: Mapping[str, Any]) -> bool:
    return bool(experiment.get("ended_at"))
