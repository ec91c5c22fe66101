"""What SageMaker tells EventBridge.

Shapes: https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html. Times are epoch
milliseconds; in model package events they are ISO 8601, as there. Endpoint statuses are in upper case.
"""

from __future__ import annotations

import copy
import logging
import re
from datetime import UTC, datetime
from typing import Any

from local_region.ports import Json, Region
from local_region.sagemaker.records import Record

log = logging.getLogger(__name__)


def millis(value: Any) -> Any:
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {key: millis(item) for key, item in value.items()}
    if isinstance(value, list):
        return [millis(item) for item in value]
    return value


def iso(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dict):
        return {key: iso(item) for key, item in value.items()}
    if isinstance(value, list):
        return [iso(item) for item in value]
    return value


def upper(status: str) -> str:
    """``InService`` → ``IN_SERVICE``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()


def publish(region: Region, kind: str, record: Record, changes: Json | None = None, times: Any = millis) -> None:
    """``SageMaker <kind> State Change``: the request and the state, with ``Tags`` as a map. The lock of the record is
    held only while copying."""
    with record.lock:
        detail = copy.deepcopy({**record.request, **record.state})
        detail["Tags"] = dict(record.tags)
    detail.pop("ClientToken", None)
    detail.update(changes or {})
    if times is iso:
        detail.pop("Tags", None)
    region.events.publish("aws.sagemaker", f"SageMaker {kind} State Change", times(detail), [record.arn])
