"""What an experiment was set up to find out, fixed when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sluicegate.domain.experiment.tally import Silence

Goal = Literal["conversion", "mean"]
Direction = Literal["maximise", "minimise"]
Policy = Literal["thompson", "ucb1", "epsilon_greedy"]


@dataclass(frozen=True)
class Bandit:
    """How a bandit shares traffic. ``discount`` is what a cohort's numbers are worth after each later cohort.

    ``floor`` is the least share of each lane, ``warm_up`` how many counted outcomes a lane gets at equal shares first.
    With ``detect_changes`` what was before a change that is shown is forgotten.
    """

    policy: Policy = "thompson"
    epsilon: float = 0.1
    discount: float = 1.0
    floor: float = 0.001
    warm_up: int = 100
    detect_changes: bool = True


@dataclass(frozen=True)
class Design:
    """Times are in seconds, effects and rewards in the goal's own unit (.02 of a conversion is two percentage points).

    ``shares``: each lane's planned share of the experiment's traffic, champion included; of an A/B test they stay the
    same from start to end. ``minimum_effect`` is absolute. ``horizon`` counts outcomes of the lane with the least
    traffic. A guardrail that is None doesn't guard.
    """

    champion: str
    shares: Mapping[str, float]
    mode: Literal["ab", "bandit"] = "ab"
    goal: Goal = "conversion"
    direction: Direction = "maximise"
    low: float = 0.0
    high: float = 1.0
    silence: Silence = "zero"
    alpha: float = 0.05
    power: float = 0.8
    minimum_effect: float = 0.02
    minimum_exposure: int = 200
    horizon: int | None = None
    looks: int = 20
    max_duration: float = 14 * 86400.0
    outcome_window: float = 86400.0
    errors: float | None = 0.01
    latency: float | None = 0.2
    bandit: Bandit = field(default_factory=Bandit)

    def __post_init__(self) -> None:
        if self.champion not in self.shares or len(self.shares) < 2:
            raise ValueError(f"an experiment of {sorted(self.shares)} with the champion {self.champion!r}")
        if min(self.shares.values()) <= 0 or abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ValueError(f"shares {dict(self.shares)}: each is above 0, and their sum is 1")
        if not self.low < self.high or self.minimum_effect <= 0 or not 0 < self.alpha < 1:
            raise ValueError("the reward's range, minimum_effect and alpha must each be more than nothing")

    @property
    def challengers(self) -> tuple[str, ...]:
        """In the order of their names."""
        return tuple(sorted(lane for lane in self.shares if lane != self.champion))

    @property
    def sign(self) -> float:
        """Of an improvement."""
        return 1.0 if self.direction == "maximise" else -1.0

    def to_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {"shares": dict(self.shares), "bandit": dict(vars(self.bandit))}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Design:
        return cls(**{**data, "bandit": Bandit(**data.get("bandit", {}))})
