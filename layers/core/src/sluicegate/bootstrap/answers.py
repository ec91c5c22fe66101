"""What is done with predictions and with what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sluicegate.adapters.aws import client
from sluicegate.adapters.invoke import SageMakerEndpoints as InvokedEndpoints
from sluicegate.adapters.lane import EncodedLane
from sluicegate.adapters.routes import S3Routes
from sluicegate.adapters.secret import SecretKey
from sluicegate.adapters.signed_http import SignedHttp
from sluicegate.adapters.tallies import DynamoTallies
from sluicegate.bootstrap.base import registry, setting, storage
from sluicegate.services.collect import Collect
from sluicegate.services.feedback import Feedback
from sluicegate.services.record import Record
from sluicegate.services.shadow import Shadow


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
