"""The parts ``deployment`` and ``endpoint`` of model.yaml: how a version takes over, and where the model serves.

Defaults and bounds of canary, linear and the waits are SageMaker's own for deployment guardrails (a canary of at most
50 %, linear steps of 10 to 50 %, an interval of at most an hour), with the values that AWS's deployment templates use:
10 %, 33 %, 300 seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sluicegate.domain.durations import Duration, duration_seconds, within

Sign = Literal["errors", "latency", "predictions"]
_PERCENT = {"canary": 10, "linear": 33}
_BAKE = {"all_at_once": "0s", "canary": "5m", "linear": "5m"}
_LEAST = {"canary": 1, "linear": 10}
_LARGEST = 50


@dataclass(frozen=True)
class Guard:
    """How a version comes in: ``steps`` are the percentages of the traffic that it gets one after the other, the last
    is 100; each is kept for ``bake`` seconds (from 0) while what is in ``rollback_on`` is watched."""

    strategy: str
    steps: tuple[int, ...]
    bake: int
    rollback_on: tuple[Sign, ...]
    latency_ms: int | None


class Deployment(BaseModel):
    """How a new version takes over."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    strategy: Literal["all_at_once", "canary", "linear", "experiment", "shadow"] = Field(
        default="all_at_once",
        description="all_at_once: it replaces the one that serves; canary: a small share of the traffic first; linear: "
        "in equal steps; experiment: it is compared with the one that serves first, on a share of the traffic; "
        "shadow: it sees copies of requests first.",
    )
    percent: int | None = Field(
        default=None,
        ge=1,
        le=_LARGEST,
        description="canary: the first share, 1 to 50, 10 by default; linear: each step, 10 to 50, 33 by default.",
    )
    bake: Annotated[Duration, within(0, 3600, "between 0s and 1h")] | None = Field(
        default=None,
        description="How long each step is watched before the next: 5m by default, of all_at_once 0s (not watched).",
    )
    rollback_on: list[Sign] = Field(
        default=["errors", "latency"],
        description="What takes it back while it is watched: errors of the model, its latency, predictions that are "
        "spread otherwise than in its evaluation.",
    )
    latency_ms: int | None = Field(
        default=None,
        ge=1,
        le=60_000,
        description="The 99th percentile of the model's latency that takes it back. By default twice that of the "
        "version that serves, over the last day.",
    )
    keep: int = Field(
        default=1,
        ge=1,
        le=20,
        description="How many versions that served before keep their endpoint config and SageMaker Model.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Deployment:
        watched = self.strategy in _BAKE
        if self.percent is not None and self.strategy not in _PERCENT:
            raise ValueError("percent: needs strategy canary or linear; remove it")
        if self.percent is not None and self.percent < _LEAST[self.strategy]:
            raise ValueError("percent: of linear, accepted is 10 to 50")
        if self.bake is not None and not watched:
            raise ValueError("bake: needs strategy all_at_once, canary or linear; remove it")
        if self.strategy in _PERCENT and self.bake is not None and duration_seconds(self.bake) < 60:
            raise ValueError("bake: of canary and linear, accepted is 1m to 1h: alarms look at minutes")
        if len(set(self.rollback_on)) != len(self.rollback_on):
            raise ValueError("rollback_on: each sign once")
        return self

    def guard(self) -> Guard | None:
        """None: it takes over at once, unwatched."""
        bake = duration_seconds(self.bake or _BAKE.get(self.strategy, "0s"))
        if self.strategy not in _PERCENT:
            if bake == 0:
                return None
            return Guard("all_at_once", (100,), bake, tuple(self.rollback_on), self.latency_ms)
        percent = self.percent or _PERCENT[self.strategy]
        shares = [percent]
        if self.strategy == "linear":  # a rest of less than half a step is no step of its own: 33, 66, 100
            shares = [share for share in range(percent, 100, percent) if 2 * (100 - share) >= percent]
        return Guard(self.strategy, (*shares, 100), bake, tuple(self.rollback_on), self.latency_ms)
