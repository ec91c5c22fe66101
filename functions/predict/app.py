"""Answers ``POST models/{model}/predictions``: encodes the records and asks the model's endpoint.

boto3 is not imported here, neither directly nor by what is imported (a test holds this): it is most of a cold start.
That is also why the adapters are wired here and not in ``bootstrap``.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.adapters.invoke import SageMakerEndpoints
from sluicegate.adapters.lane import EncodedLane
from sluicegate.adapters.routes import S3Routes
from sluicegate.adapters.secret import SecretKey
from sluicegate.adapters.signed_http import SignedHttp
from sluicegate.adapters.stand_in import LocalStandIn
from sluicegate.http.predictions import handle
from sluicegate.services.predict import Predictor

logger = Logger()
_MARGIN_SECONDS = 1.0


@cache
def predictor() -> Predictor:
    """The process's one predictor; its connections, routing and key outlive a request."""
    http = SignedHttp()
    routes = S3Routes(http, os.environ["DATA_BUCKET"], EncodedLane.from_json)
    key = SecretKey(http, os.environ["INFERENCE_SECRET_ARN"])
    stand_in = LocalStandIn(http, os.environ["DATA_BUCKET"], os.environ["NAME_PREFIX"])
    return Predictor(routes, SageMakerEndpoints(http), key, stand_in=stand_in)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    seconds_left = context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS
    return handle(event, predictor(), seconds_left, log, keep)


def log(line: dict[str, Any]) -> None:
    write = logger.error if line.get("status", 500) >= 500 else logger.info
    write("prediction", extra=line)


def keep(line: str) -> None:
    """A line of the prediction log: its subscriber reads JSON, so it goes out as it is, in one piece."""
    sys.stdout.write(line + "\n")
