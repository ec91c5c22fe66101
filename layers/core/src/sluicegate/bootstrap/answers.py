"""What notes predictions, and what callers say of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sluicegate.adapters.invoke import SageMakerEndpoints as InvokedEndpoints
from sluicegate.adapters.lane import EncodedLane
from sluicegate.adapters.routes import S3Routes
from sluicegate.adapters.secret import SecretKey
from sluicegate.adapters.signed_http import SignedHttp
from sluicegate.bootstrap.base import setting, storage, tallies
from sluicegate.services.feedback import Feedback
from sluicegate.services.record import Record
from sluicegate.services.shadow import Shadow


@cache
def record() -> Record:
    http = SignedHttp()
    routes = S3Routes(http, setting("DATA_BUCKET"), EncodedLane.from_json)
    return Record(storage(), tallies(), Shadow(routes, InvokedEndpoints(http)))


@cache
def inference_key() -> SecretKey:
    return SecretKey(SignedHttp(), setting("INFERENCE_SECRET_ARN"))


def feedback(keep: Callable[[str], None]) -> Feedback:
    return Feedback(storage(), tallies(), inference_key(), keep)
