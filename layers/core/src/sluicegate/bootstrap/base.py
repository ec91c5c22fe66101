"""What every function's assembly is made of: the environment's settings, the registry, the bucket, the ledger."""

from __future__ import annotations

import os
from functools import cache

from sluicegate.adapters.aws import client
from sluicegate.adapters.bell import EventBridgeBell
from sluicegate.adapters.endpoints import SageMakerEndpoints
from sluicegate.adapters.jobs import SageMakerJobs
from sluicegate.adapters.metrics import CloudWatchMetrics
from sluicegate.adapters.packages import SageMakerPackages
from sluicegate.adapters.queue import SqsTrainingQueue
from sluicegate.adapters.registry import DynamoRegistry
from sluicegate.adapters.scaling import ApplicationAutoScaling
from sluicegate.adapters.storage import S3Storage
from sluicegate.adapters.tallies import DynamoTallies
from sluicegate.services.ledger import Ledger


class Misconfigured(Exception):
    """The function's environment lacks something, or has it wrong. The template sets it."""


def setting(name: str) -> str:
    """The environment's ``name``; ``Misconfigured`` without it."""
    value = os.environ.get(name, "")
    if not value:
        raise Misconfigured(f"the environment variable {name} is not set")
    return value


def prefix() -> str:
    return setting("NAME_PREFIX")


def region() -> str:
    return setting("AWS_REGION")


@cache
def registry() -> DynamoRegistry:
    return DynamoRegistry(client("dynamodb"), setting("REGISTRY_TABLE"))


@cache
def storage() -> S3Storage:
    return S3Storage(client("s3"), setting("DATA_BUCKET"))


@cache
def ledger() -> Ledger:
    quiet = setting("DEFAULT_QUIET_PERIOD_SECONDS")
    if not quiet.isdigit():
        raise Misconfigured(f"DEFAULT_QUIET_PERIOD_SECONDS is {quiet!r}, no number of seconds")
    queue = SqsTrainingQueue(client("sqs"), setting("TRAINING_QUEUE_URL"))
    return Ledger(registry(), queue, prefix(), int(quiet))


def jobs() -> SageMakerJobs:
    return SageMakerJobs(client("sagemaker"), setting("SAGEMAKER_ROLE_ARN"))


def endpoints() -> SageMakerEndpoints:
    return SageMakerEndpoints(client("sagemaker"))


def packages() -> SageMakerPackages:
    return SageMakerPackages(client("sagemaker"))


def scaling() -> ApplicationAutoScaling:
    return ApplicationAutoScaling(client("application-autoscaling"))


def metrics() -> CloudWatchMetrics:
    return CloudWatchMetrics(client("cloudwatch"), prefix())


@cache
def bell() -> EventBridgeBell:
    return EventBridgeBell(client("events"), prefix())


@cache
def tallies() -> DynamoTallies:
    return DynamoTallies(client("dynamodb"), setting("REGISTRY_TABLE"))
