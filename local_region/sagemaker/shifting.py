"""Guarded updates of an endpoint, decided: the steps of a DeploymentConfig, and what to do at a given time. Pure.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html. Bounds and defaults are those of the API
reference (BlueGreenUpdatePolicy, TrafficRoutingConfig, RollingUpdatePolicy). A share is of the endpoint's traffic; on
SageMaker it follows from whole instances, here it is exact.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Json = Mapping[str, Any]
WAIT, TERMINATION = "WaitIntervalInSeconds", "TerminationWaitInSeconds"
#: percent of the capacity that a step may have, by policy (lowest, highest)
_CANARY, _LINEAR, _ROLLING = (0, 50), (10, 50), (5, 50)


class BadDeployment(ValueError):
    """The DeploymentConfig is not one that SageMaker (or the local region) accepts; the text says why."""


@dataclass(frozen=True)
class Step:
    """``share`` (0 to 1) of the traffic goes to the new fleet; then it bakes for ``seconds``."""

    share: float
    seconds: int
    setting: str  # the setting that says how long
    what: str  # "canary", "linear", "batch" or "full": what of the capacity is active

    def instances(self, total: int) -> int:
        """How many of ``total`` instances are active, in whole ones."""
        return max(1, math.ceil(total * self.share - 1e-9))


@dataclass(frozen=True)
class Plan:
    """``limit`` in seconds from the beginning of the update; None for none."""

    steps: tuple[Step, ...]
    limit: int | None = None
    alarms: tuple[str, ...] = ()


#: what an update without a DeploymentConfig does
AT_ONCE = Plan((Step(1.0, 0, TERMINATION, "full"),))


def plan_of(config: Json, counts: Mapping[str, int]) -> Plan:
    """The plan of a DeploymentConfig for a new fleet with ``counts`` instances by variant."""
    alarms = tuple(alarm["AlarmName"] for alarm in (config.get("AutoRollbackConfiguration") or {}).get("Alarms") or [])
    blue_green, rolling = config.get("BlueGreenUpdatePolicy"), config.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise BadDeployment("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be specified.")
    if rolling:
        return _rolling(rolling, counts, alarms)
    if not blue_green:
        return Plan(AT_ONCE.steps, None, alarms)
    routing = blue_green["TrafficRoutingConfiguration"]
    termination = Step(1.0, blue_green.get(TERMINATION, 0), TERMINATION, "full")
    wait = routing[WAIT]
    sizes = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}
    kind = routing["Type"]
    for other, name in sizes.items():
        if name in routing and other != kind:
            raise BadDeployment(f"{name} can only be specified with the traffic routing type {other}, not {kind}.")
        if name not in routing and other == kind:
            raise BadDeployment(f"{name} is required for the traffic routing type {kind}.")
    steps: tuple[Step, ...] = (termination,)
    if kind == "CANARY":
        steps = (Step(_share(routing["CanarySize"], counts, _CANARY, "CanarySize"), wait, WAIT, "canary"), termination)
    elif kind == "LINEAR":
        share = _share(routing["LinearStepSize"], counts, _LINEAR, "LinearStepSize")
        steps = (*(Step(each, wait, WAIT, "linear") for each in _multiples(share)), termination)
    return _within(Plan(steps, blue_green.get("MaximumExecutionTimeoutInSeconds"), alarms))


def _rolling(policy: Json, counts: Mapping[str, int], alarms: tuple[str, ...]) -> Plan:
    if len(counts) > 1:
        raise BadDeployment("RollingUpdatePolicy is not available for endpoints with several production variants.")
    if "RollbackMaximumBatchSize" in policy:
        raise BadDeployment("The local region does not support RollbackMaximumBatchSize: it rolls back at once.")
    share = _share(policy["MaximumBatchSize"], counts, _ROLLING, "MaximumBatchSize")
    steps = [Step(each, policy[WAIT], WAIT, "batch") for each in _multiples(share)]
    return _within(
        Plan((*steps, Step(1.0, policy[WAIT], WAIT, "full")), policy.get("MaximumExecutionTimeoutInSeconds"), alarms)
    )


def _share(size: Json, counts: Mapping[str, int], bounds: tuple[int, int], name: str) -> float:
    low, high = bounds
    value = int(size["Value"])
    percents = {variant: 100 * value / count for variant, count in counts.items()}
    if size["Type"] == "CAPACITY_PERCENT":
        percents = dict.fromkeys(counts, float(value))
    for variant, percent in percents.items():
        if not low <= percent <= high:
            allowed = f"between {low}% and {high}%" if low else f"at most {high}%"
            raise BadDeployment(
                f"{name} must be {allowed} of the variant's total instance count; {value} ({size['Type']}) is "
                f"{percent:.0f}% of the {counts[variant]} instance(s) of variant {variant}."
            )
    if size["Type"] == "CAPACITY_PERCENT":
        return value / 100
    return value * len(counts) / sum(counts.values())


def _multiples(share: float) -> list[float]:
    """``share``, twice that, … below the whole."""
    return [share * count for count in range(1, math.ceil(1 / share - 1e-9))]


def _within(plan: Plan) -> Plan:
    waits = sum(step.seconds for step in plan.steps)
    if plan.limit is not None and waits >= plan.limit:
        raise BadDeployment(
            f"MaximumExecutionTimeoutInSeconds ({plan.limit}) must be larger than the total waiting time of the "
            f"deployment ({waits} seconds)."
        )
    return plan


# -- what to do now --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Activate:
    """Give the new fleet the step's share of the traffic, then say ``Rollout.activated``."""

    step: Step


@dataclass(frozen=True)
class Wait:
    """Look again at ``until``, or when an alarm changes."""

    until: datetime


@dataclass(frozen=True)
class Finish:
    """The new fleet serves everything and has baked."""


@dataclass(frozen=True)
class RollBack:
    reason: str


Move = Activate | Wait | Finish | RollBack


class Rollout:
    """One deployment from the moment at which the new fleet is up. It only goes forward, or back for good."""

    def __init__(self, plan: Plan, began: datetime) -> None:
        self._plan = plan
        self._ends = None if plan.limit is None else began + timedelta(seconds=plan.limit)
        self._index = 0
        self._bakes_until: datetime | None = None  # None: the step at hand is not activated yet
        self._over: Finish | RollBack | None = None

    def activated(self, now: datetime) -> None:
        """The step's share goes to the new fleet from ``now`` on."""
        self._bakes_until = now + timedelta(seconds=self._plan.steps[self._index].seconds)

    def look(self, now: datetime, tripped: Collection[str] = ()) -> Move:
        """The next move. ``tripped`` are alarms that went off since the update began, or are on now."""
        if self._over is None:
            move = self._move(now, sorted(set(tripped) & set(self._plan.alarms)))
            if isinstance(move, Activate | Wait):
                return move
            self._over = move
        return self._over

    def _move(self, now: datetime, tripped: Sequence[str]) -> Move:
        if tripped:
            return RollBack(
                f"One or more of the alarms configured for automatic rollback went off during the deployment: "
                f"{', '.join(tripped)}. The endpoint was rolled back to its previous configuration."
            )
        if self._ends is not None and now >= self._ends:
            return RollBack(
                f"The deployment exceeded MaximumExecutionTimeoutInSeconds ({self._plan.limit}). "
                "The endpoint was rolled back to its previous configuration."
            )
        if self._bakes_until is None:
            return Activate(self._plan.steps[self._index])
        if now < self._bakes_until:
            return Wait(self._bakes_until if self._ends is None else min(self._bakes_until, self._ends))
        if self._index + 1 == len(self._plan.steps):
            return Finish()
        self._index += 1
        self._bakes_until = None
        return Activate(self._plan.steps[self._index])
