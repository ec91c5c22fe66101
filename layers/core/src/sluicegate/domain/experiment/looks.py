"""What a look at an experiment found: every number that it saw, the decision and the reason in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sluicegate.domain.experiment.guardrails import Guardrail

DecisionKind = Literal["continue", "promote", "keep", "stop_for_harm", "inconclusive", "invalid"]


@dataclass(frozen=True)
class Decision:
    """``lane``: who is promoted, or who does harm."""

    kind: DecisionKind
    lane: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "lane": self.lane}


@dataclass(frozen=True)
class LaneLook:
    """``outcomes`` are those that count; ``mean`` and its standard error are in the goal's unit, latencies in ms.

    ``best``: of a bandit, the probability that this lane is the best. ``design_effect``: where subjects ask more than
    once, so many outcomes say what one of a subject of its own would (``clumps``); 1 where they don't.
    """

    lane: str
    share: float
    exposures: int
    outcomes: int
    mean: float | None
    error: float | None
    errors: int
    latency_p50: float | None
    latency_p95: float | None
    best: float | None = None
    design_effect: float = 1.0

    @property
    def counts_as(self) -> float:
        """As many outcomes of subjects that ask once."""
        return self.outcomes / self.design_effect

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Comparison:
    """A challenger against the champion: the difference in the goal's unit and its interval, valid at every look.

    ``lift``: the same relative to the champion's mean, where that is above 0. ``p`` against ``threshold`` decides.
    ``boundary``: the |z| that rejects at this look of a group-sequential test. A look that doesn't test has neither
    interval nor boundary, its threshold is 0 and nothing is significant.
    """

    lane: str
    difference: float
    low: float | None
    high: float | None
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    z: float
    p: float
    threshold: float
    significant: bool
    boundary: float | None = None

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Look:
    """Times in seconds (epoch). ``information``: of a test with a horizon, how much of it is in, 1 is all.

    A look that ``tested`` counts among the ``earlier`` of the next ones. ``weights``: of a bandit, the shares from now.
    """

    at: float
    elapsed: float
    method: Literal["sequential", "group_sequential", "bandit"]
    decision: Decision
    reason: str
    lanes: tuple[LaneLook, ...]
    comparisons: tuple[Comparison, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    srm_p: float | None = None
    information: float | None = None
    tested: bool = False
    weights: Mapping[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "elapsed": self.elapsed,
            "method": self.method,
            "decision": self.decision.to_json(),
            "reason": self.reason,
            "lanes": [lane.to_json() for lane in self.lanes],
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
            "guardrails": [guardrail.to_json() for guardrail in self.guardrails],
            "srm_p": self.srm_p,
            "information": self.information,
            "tested": self.tested,
            "weights": None if self.weights is None else dict(self.weights),
        }
