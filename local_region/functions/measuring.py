"""Lambda's own metrics, by ``FunctionName``.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from __future__ import annotations

from local_region.functions.worker import Invocation
from local_region.ports import Region

_NAMESPACE = "AWS/Lambda"


class Measuring:
    """Writes to ``region.metrics``, which only appends: about 10 microseconds a call."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._dimensions: dict[str, dict[str, str]] = {}

    def ran(self, function: str, call: Invocation) -> None:
        """A call that a worker took, however it ended. ``call.seconds`` is its duration."""
        self._count("Invocations", function, 1)
        self._count("Errors", function, call.error is not None)
        self._count("Throttles", function, 0)
        self._count("ConcurrentExecutions", function, call.concurrent)
        self._put("Duration", function, call.seconds * 1000, "Milliseconds")

    def throttled(self, function: str) -> None:
        """A call that found no place. It is no invocation."""
        self._count("Throttles", function, 1)

    def event_received(self, function: str) -> None:
        """An asynchronous call was accepted."""
        self._count("AsyncEventsReceived", function, 1)

    def event_dropped(self, function: str) -> None:
        """An asynchronous call was given up, whether or not a queue or a destination has it now."""
        self._count("AsyncEventsDropped", function, 1)

    def _count(self, name: str, function: str, value: float) -> None:
        self._put(name, function, value, "Count")

    def _put(self, name: str, function: str, value: float, unit: str) -> None:
        dimensions = self._dimensions.setdefault(function, {"FunctionName": function})
        self._region.metrics.put(_NAMESPACE, name, float(value), unit, dimensions)
