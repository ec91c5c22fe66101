"""What brings versions to their endpoints."""

from __future__ import annotations

from functools import cache

from sluicegate.adapters.alarms import CloudWatchAlarms
from sluicegate.adapters.aws import client
from sluicegate.adapters.endpoints import SageMakerEndpoints
from sluicegate.adapters.packages import SageMakerPackages
from sluicegate.adapters.scaling import ApplicationAutoScaling
from sluicegate.bootstrap.base import bell, jobs, ledger, metrics, prefix, region, registry, storage
from sluicegate.services.advance import Advance
from sluicegate.services.deploy import Deploy
from sluicegate.services.rollout import Rollout
from sluicegate.services.track import Track
from sluicegate.services.unheard import Unheard


def scaling() -> ApplicationAutoScaling:
    return ApplicationAutoScaling(client("application-autoscaling"))


def alarms() -> CloudWatchAlarms:
    return CloudWatchAlarms(client("cloudwatch"))


def rollout() -> Rollout:
    return Rollout(
        ledger(),
        storage(),
        SageMakerEndpoints(client("sagemaker")),
        jobs(),
        alarms(),
        metrics(),
        scaling(),
        prefix(),
        region(),
    )


@cache
def deploy() -> Deploy:
    return Deploy(ledger(), SageMakerPackages(client("sagemaker")), rollout(), bell(), prefix())


@cache
def track() -> Track:
    return Track(registry(), rollout(), bell(), prefix())


@cache
def advance() -> Advance:
    packages = SageMakerPackages(client("sagemaker"))
    return Advance(ledger(), packages, rollout(), Unheard(ledger(), packages, deploy()))
