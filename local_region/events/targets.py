"""Hands a payload to what an ARN names: a function, a queue, a topic, a log group, an event bus. In process.

Used for rule targets, for destinations of asynchronous calls and for dead-letter queues.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from moto.core.exceptions import JsonRESTError, ServiceException
from moto.logs.models import logs_backends
from moto.sns.models import sns_backends

from local_region.functions.sqs_store import Queues
from local_region.ports import AwsError, Json, Region

#: ``service:resource type`` of the targets that are delivered, by the first parts of the ARN
KINDS = ("lambda function", "SQS queue", "SNS topic", "CloudWatch log group", "event bus")


class Undeliverable(Exception):
    """``code`` is EventBridge's: NO_RESOURCE, NO_PERMISSIONS, INVALID_PARAMETER, THROTTLING, SDK_CLIENT_ERROR.
    ``retry`` says whether another attempt may succeed."""

    def __init__(self, code: str, message: str, retry: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.retry = code, message, retry


def kind_of(arn: str) -> str | None:
    """One of ``lambda``, ``sqs``, ``sns``, ``logs``, ``event-bus``; None when the region can't deliver to ``arn``."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        return None
    match parts[2], parts[5].split(":")[0].split("/")[0]:
        case "lambda", "function":
            return "lambda"
        case "sqs", _:
            return "sqs"
        case "sns", _:
            return "sns"
        case "logs", "log-group":
            return "logs"
        case "events", "event-bus":
            return "event-bus"
    return None


class Deliverer:
    """``forward(bus, envelope)`` passes an event on to another bus of the region."""

    def __init__(self, region: Region, forward: Callable[[str, Json], None] | None = None) -> None:
        self._region = region
        self._forward = forward

    def send(
        self,
        arn: str,
        payload: str,
        group: str | None = None,
        attributes: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        """Deliver ``payload`` (JSON text). ``Undeliverable`` says why not and whether to try again."""
        kind = kind_of(arn)
        try:
            if kind == "lambda":
                self._region.functions.invoke_async(arn, payload.encode())
            elif kind == "sqs":
                config = self._region.config
                Queues(config.account_id, config.region_name).send(arn, payload, attributes, group)
            elif kind == "sns":
                self._publish(arn, payload, attributes)
            elif kind == "logs":
                self._write(arn, payload)
            elif kind == "event-bus" and self._forward is not None:
                self._forward(arn.rsplit("/", 1)[-1], json.loads(payload))
            else:
                raise Undeliverable("INVALID_PARAMETER", f"The local region can't deliver to {arn}.")
        except AwsError as error:
            raise _translate(error) from error
        except (JsonRESTError, ServiceException) as error:
            raise Undeliverable("SDK_CLIENT_ERROR", str(getattr(error, "message", error))) from error

    def _publish(self, arn: str, payload: str, attributes: Mapping[str, tuple[str, str]] | None) -> None:
        config = self._region.config
        backend = sns_backends[config.account_id][config.region_name]
        if arn not in backend.topics:
            raise Undeliverable("NO_RESOURCE", f"The topic {arn} does not exist.")
        extra: dict[str, Any] = {n: {"Type": kind, "Value": value} for n, (kind, value) in (attributes or {}).items()}
        backend.publish(payload, arn=arn, message_attributes=extra or None)

    def _write(self, arn: str, payload: str) -> None:
        config = self._region.config
        group = arn.split(":log-group:", 1)[1].removesuffix(":*")
        if group not in logs_backends[config.account_id][config.region_name].groups:
            raise Undeliverable("NO_RESOURCE", f"The log group {group} does not exist.")
        self._region.logs.write(group, str(uuid.uuid4()), [payload])


def _translate(error: AwsError) -> Undeliverable:
    if error.code in {"ResourceNotFoundException", "AWS.SimpleQueueService.NonExistentQueue"}:
        return Undeliverable("NO_RESOURCE", error.message)
    if error.code == "TooManyRequestsException":
        return Undeliverable("THROTTLING", error.message, retry=True)
    if error.status >= 500:
        return Undeliverable("SDK_CLIENT_ERROR", error.message, retry=True)
    return Undeliverable("INVALID_PARAMETER", error.message)
