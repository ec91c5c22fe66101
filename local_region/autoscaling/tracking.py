"""Target tracking: how many instances a variant should have. Pure.

https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html: out when
the metric was above the target for three minutes, in when it was more than a tenth below it for fifteen, each behind
its cooldown. SageMakerVariantInvocationsPerInstance is the sum of a minute's invocations over the instances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from local_region.alarms.evaluation import Rule, Sample, datapoints, evaluate

PERIOD = 60
_OUT_PERIODS, _IN_PERIODS = 3, 15
_IN_SHARE = 0.9
#: how far back a look goes
WINDOW = Rule("Sum", PERIOD, _IN_PERIODS, _IN_PERIODS, "LessThanThreshold", 0).window()
_COOLDOWN = 300


@dataclass(frozen=True)
class Tracking:
    """A TargetTrackingScalingPolicyConfiguration; cooldowns in seconds."""

    target: float
    out_cooldown: int = _COOLDOWN
    in_cooldown: int = _COOLDOWN
    scales_in: bool = True


@dataclass(frozen=True)
class Bounds:
    low: int
    high: int

    def clamp(self, count: int) -> int:
        return max(self.low, min(self.high, count))


def wanted(
    tracking: Tracking,
    bounds: Bounds,
    count: int,
    invocations: Sequence[Sample],
    now: datetime,
    last_out: datetime | None = None,
    last_in: datetime | None = None,
) -> int:
    """The instances that a variant with ``count`` should have. ``invocations`` are single ones or sums of them.

    >>> busy = [Sample(datetime(2026, 1, 1, 0, minute, 30), 90, 90, 1, 1) for minute in range(3)]
    >>> wanted(Tracking(20), Bounds(1, 4), 1, busy, datetime(2026, 1, 1, 0, 3))
    4
    """
    if not bounds.low <= count <= bounds.high:
        return bounds.clamp(count)
    out = Rule("Sum", PERIOD, _OUT_PERIODS, _OUT_PERIODS, "GreaterThanThreshold", tracking.target * count)
    recent = [point.value for point in datapoints(out, invocations, now)[:_OUT_PERIODS]]
    if evaluate(out, invocations, now).state == "ALARM":
        if last_out is not None and now - last_out < timedelta(seconds=tracking.out_cooldown):
            return count
        return bounds.clamp(max(count + 1, math.ceil(sum(recent) / len(recent) / tracking.target)))
    below = Rule("Sum", PERIOD, _IN_PERIODS, _IN_PERIODS, "LessThanThreshold", tracking.target * count * _IN_SHARE)
    if not tracking.scales_in or evaluate(below, invocations, now).state != "ALARM":
        return count
    changed = max((at for at in (last_out, last_in) if at is not None), default=None)
    if changed is not None and now - changed < timedelta(seconds=tracking.in_cooldown):
        return count
    most = max(point.value for point in datapoints(below, invocations, now))
    # As many as the busiest minute needs: fewer would be too few the moment they are there
    return bounds.clamp(min(count, math.ceil(most / tracking.target)))
