"""What brings versions to their endpoints."""

from __future__ import annotations

from functools import cache

from sluicegate.adapters.alarms import CloudWatchAlarms
from sluicegate.adapters.aws import client
from sluicegate.bootstrap.base import (
    bell,
    endpoints,
    jobs,
    ledger,
    metrics,
    packages,
    prefix,
    region,
    registry,
    scaling,
    storage,
)
from sluicegate.services.advance import Advance
from sluicegate.services.deploy import Deploy
from sluicegate.services.rollout import Rollout
from sluicegate.services.track import Track
from sluicegate.services.unheard import Unheard


def alarms() -> CloudWatchAlarms:
    return CloudWatchAlarms(client("cloudwatch"))


def rollout() -> Rollout:
    return Rollout(
        ledger(),
        storage(),
        endpoints(),
        jobs(),
        alarms(),
        metrics(),
        scaling(),
        prefix(),
        region(),
    )


@cache
def deploy() -> Deploy:
    return Deploy(ledger(), packages(), rollout(), bell(), prefix())


@cache
def track() -> Track:
    return Track(registry(), rollout(), bell(), prefix())


@cache
def advance() -> Advance:
    return Advance(ledger(), packages(), rollout(), Unheard(ledger(), packages(), deploy()))
