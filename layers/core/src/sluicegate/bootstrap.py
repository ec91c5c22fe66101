"""The only place that knows which adapter is real. Each function asks for its service; the environment is read then.

A service and its adapters are built once a process. boto3's clients are made when an adapter that needs them is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache

from sluicegate.adapters.alarms import CloudWatchAlarms
from sluicegate.adapters.aws import client
from sluicegate.adapters.bell import EventBridgeBell
from sluicegate.adapters.calls import CloudWatchCalls
from sluicegate.adapters.endpoints import SageMakerEndpoints
from sluicegate.adapters.invoke import SageMakerEndpoints as InvokedEndpoints
from sluicegate.adapters.jobs import SageMakerJobs
from sluicegate.adapters.lane import EncodedLane
from sluicegate.adapters.metrics import CloudWatchMetrics
from sluicegate.adapters.packages import SageMakerPackages
from sluicegate.adapters.prices import PRICING_REGION, PriceList
from sluicegate.adapters.processing import SageMakerProcessing
from sluicegate.adapters.program import PackageProgram
from sluicegate.adapters.queue import SqsTrainingQueue
from sluicegate.adapters.registry import DynamoRegistry
from sluicegate.adapters.routes import S3Routes
from sluicegate.adapters.scaling import ApplicationAutoScaling
from sluicegate.adapters.secret import SecretKey
from sluicegate.adapters.signed_http import SignedHttp
from sluicegate.adapters.storage import S3Storage
from sluicegate.adapters.tallies import DynamoTallies
from sluicegate.adapters.workspace import LambdaWorkspace
from sluicegate.services.advance import Advance
from sluicegate.services.batch import StartBatch
from sluicegate.services.blueprint import Blueprint
from sluicegate.services.collect import Collect
from sluicegate.services.contests import Contests
from sluicegate.services.costs import Costs
from sluicegate.services.deploy import Deploy
from sluicegate.services.drift import WatchDrift
from sluicegate.services.evaluate import Evaluate
from sluicegate.services.experiment import Experiments
from sluicegate.services.experiment_looks import Looks
from sluicegate.services.feedback import Feedback
from sluicegate.services.finish_batch import FinishBatch
from sluicegate.services.finish_preparation import FinishPreparation
from sluicegate.services.follow import Follow
from sluicegate.services.ingest import Ingest
from sluicegate.services.lanes import Lanes
from sluicegate.services.ledger import Ledger
from sluicegate.services.lost_ends import LostEnds
from sluicegate.services.preparation import Preparation
from sluicegate.services.processing import Processing
from sluicegate.services.reap import Reap
from sluicegate.services.record import Record
from sluicegate.services.register import Register
from sluicegate.services.rollout import Rollout
from sluicegate.services.routing import RoutingTable
from sluicegate.services.scaling import Scaler
from sluicegate.services.shadow import Shadow
from sluicegate.services.sleep_orders import SleepOrders
from sluicegate.services.sleeping import table_price
from sluicegate.services.steer import Steer
from sluicegate.services.track import Track
from sluicegate.services.train import Start
from sluicegate.services.training import Training
from sluicegate.services.unheard import Unheard
from sluicegate.services.variants import Variants
from sluicegate.services.wake import Wake
from sluicegate.services.wake_endpoint import WakeEndpoint
from sluicegate.services.withdraw import Withdraw


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


def scaling() -> ApplicationAutoScaling:
    return ApplicationAutoScaling(client("application-autoscaling"))


def alarms() -> CloudWatchAlarms:
    return CloudWatchAlarms(client("cloudwatch"))


def metrics() -> CloudWatchMetrics:
    return CloudWatchMetrics(client("cloudwatch"), prefix())


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
def ingest() -> Ingest:
    return Ingest(ledger(), storage(), LambdaWorkspace())


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


@cache
def withdraw() -> Withdraw:
    return Withdraw(ledger(), storage())


@cache
def start() -> Start:
    limit = setting("PREPARATION_LIMIT_MB")
    if not limit.isdigit():
        raise Misconfigured(f"PREPARATION_LIMIT_MB is {limit!r}, no number of megabytes")
    found = processing(setting("PREPARATION_ROLE_ARN"))
    preparation = Preparation(ledger(), storage(), LambdaWorkspace(), found, int(limit) << 20)
    return Start(ledger(), storage(), preparation, found, training())


def processing(role_arn: str) -> Processing:
    started = SageMakerProcessing(client("sagemaker"), role_arn)
    priced = Costs(registry(), prices(), region())
    return Processing(ledger(), storage(), started, LambdaWorkspace(), PackageProgram(), priced, region(), prefix())


def training() -> Training:
    return Training(ledger(), storage(), jobs(), Costs(registry(), prices(), region()), region(), prefix())


@cache
def finish_preparation() -> FinishPreparation:
    return FinishPreparation(ledger(), processing(""), training())


@cache
def prices() -> PriceList:
    return PriceList(client("pricing", PRICING_REGION))


@cache
def evaluate() -> Evaluate:
    return Evaluate(ledger(), storage(), jobs(), region(), prefix())


@cache
def follow() -> Follow:
    return Follow(ledger(), jobs(), evaluate(), prefix())


@cache
def register() -> Register:
    packages = SageMakerPackages(client("sagemaker"))
    return Register(ledger(), storage(), jobs(), packages, LambdaWorkspace(), region(), prefix())


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


@cache
def steer() -> Steer:
    return Steer(ledger(), bell())


@cache
def experiments() -> Experiments:
    tallies = DynamoTallies(client("dynamodb"), setting("REGISTRY_TABLE"))
    endpoints = SageMakerEndpoints(client("sagemaker"))
    blueprint = Blueprint(registry(), storage(), endpoints, jobs(), prefix(), region())
    lanes = Lanes(registry(), endpoints, blueprint, prefix())
    scaler = Scaler(ledger(), scaling(), blueprint, prefix())
    variants = Variants(registry(), storage(), endpoints, blueprint, scaler, prefix())
    routing = RoutingTable(registry(), storage(), prefix())
    return Experiments(ledger(), Looks(storage(), tallies), lanes, variants, routing, bell())


@cache
def contests() -> Contests:
    return Contests(ledger(), bell())


@cache
def bell() -> EventBridgeBell:
    return EventBridgeBell(client("events"), prefix())


@cache
def tallies() -> DynamoTallies:
    return DynamoTallies(client("dynamodb"), setting("REGISTRY_TABLE"))


@cache
def record() -> Record:
    http = SignedHttp()
    routes = S3Routes(http, setting("DATA_BUCKET"), EncodedLane.from_json)
    return Record(storage(), tallies(), Shadow(routes, InvokedEndpoints(http)))


@cache
def inference_key() -> SecretKey:
    return SecretKey(SignedHttp(), setting("INFERENCE_SECRET_ARN"))


@cache
def collect() -> Collect:
    return Collect(registry(), storage(), tallies())


def feedback(keep: Callable[[str], None]) -> Feedback:
    return Feedback(storage(), tallies(), inference_key(), keep)


@cache
def reap() -> Reap:
    endpoints, calls = SageMakerEndpoints(client("sagemaker")), CloudWatchCalls(client("cloudwatch"))
    return Reap(ledger(), endpoints, calls, Costs(registry(), prices(), region()), bell(), prefix())


@cache
def sleep_orders() -> SleepOrders:
    return SleepOrders(ledger(), bell(), table_price(region()))


@cache
def wake_endpoint() -> WakeEndpoint:
    return WakeEndpoint(ledger(), bell())


@cache
def start_batch() -> StartBatch:
    return StartBatch(registry(), storage(), jobs(), LambdaWorkspace(), region(), prefix())


@cache
def finish_batch() -> FinishBatch:
    return FinishBatch(registry(), storage(), jobs(), LambdaWorkspace(), prefix())
