"""What the schedule's looks do."""

from __future__ import annotations

from functools import cache

from sluicegate.adapters.aws import client
from sluicegate.adapters.jobs import SageMakerJobs
from sluicegate.adapters.processing import SageMakerProcessing
from sluicegate.bootstrap.base import bell, ledger, metrics, storage
from sluicegate.services.drift import WatchDrift
from sluicegate.services.lost_ends import LostEnds
from sluicegate.services.wake import Wake


@cache
def wake() -> Wake:
    return Wake(ledger())


@cache
def lost_ends() -> LostEnds:
    sagemaker = client("sagemaker")
    return LostEnds(ledger(), SageMakerJobs(sagemaker, ""), SageMakerProcessing(sagemaker, ""), bell())


@cache
def watch_drift() -> WatchDrift:
    return WatchDrift(ledger(), storage(), metrics())
