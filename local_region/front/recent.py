"""The last events that the region saw, and the last calls that changed something in SageMaker, for people and tests."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from local_region.ports import AwsError, Clock, EventBus, Json, Principal

_KEPT = 1000
#: operations that change nothing: the application's own ticks make them all the time
_READS = re.compile("Describe|List|Search|BatchDescribe")


class _Recent:
    """What happened last, numbered from 1 and with the region's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._number = 0
        self._lock = threading.Lock()

    def _add(self, what: dict[str, Any]) -> None:
        with self._lock:
            self._number += 1
            self._kept.append({"number": self._number, "time": self._clock.now().isoformat(), **what})

    def after(self, number: int) -> list[dict[str, Any]]:
        """Those with a higher number, oldest first; at most the last thousand."""
        with self._lock:
            return [one for one in self._kept if one["number"] > number]


class RecentEvents(_Recent):
    """``ports.EventBus`` that remembers what passes and hands it on to the real bus."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.bus: EventBus | None = None

    def publish(self, source: str, detail_type: str, detail: Json, resources: Sequence[str] = ()) -> None:
        self.note(source, detail_type, detail, resources)
        if self.bus is None:
            raise RuntimeError("the region's event bus has not been built yet")
        self.bus.publish(source, detail_type, detail, resources)

    def note(self, source: str, detail_type: str, detail: Any, resources: Sequence[str]) -> None:
        self._add({"source": source, "detail-type": detail_type, "resources": list(resources), "detail": detail})


class RecentCalls(_Recent):
    """The calls of one service that were meant to change something: what CloudTrail shows on AWS."""

    def note(self, service: str, operation: str, params: Json, principal: Principal, error: AwsError | None) -> None:
        """``params`` are the request as botocore's model has it, empty when it couldn't be read."""
        if _READS.match(operation):
            return
        self._add(
            {
                "service": service,
                "operation": operation,
                "name": subject(operation, params),
                "role": None if principal.role_arn is None else principal.role_arn.rpartition("/")[2],
                "error": None if error is None else {"code": error.code, "message": error.message},
                "request": params,
            }
        )


def subject(operation: str, params: Json) -> str | None:
    """What a call is about: the name (or ARN) of the operation's own thing, else the first name in the request.

    >>> subject("CreateTrainingJob", {"RoleArn": "arn:aws:iam::1:role/r", "TrainingJobName": "churn-1"})
    'churn-1'
    >>> subject("UpdateEndpointWeightsAndCapacities", {"EndpointName": "churn", "DesiredWeightsAndCapacities": []})
    'churn'
    """
    thing = re.sub("^[A-Z][a-z]+", "", operation)
    names = {name: value for name, value in params.items() if isinstance(value, str) and name.endswith(("Name", "Arn"))}
    names.pop("RoleArn", None)
    own = (names[name] for name in (f"{thing}Name", f"{thing}Arn") if name in names)
    return next(own, next(iter(names.values()), None))
