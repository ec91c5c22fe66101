"""CloudWatch metrics for the region's own parts: counted cheaply, handed to moto when somebody asks for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from local_region.ports import Clock, RegionConfig

#: above this many single values the older ones are summed up by minute (sum, count, minimum and maximum stay exact)
_SINGLE_VALUES = 20_000
_BATCH = 1000


class _Value(NamedTuple):
    namespace: str
    name: str
    unit: str
    dimensions: tuple[tuple[str, str], ...]
    value: float
    at: datetime


class MotoMetrics:
    """``ports.MetricStore``. ``put`` appends to a list; ``flush`` is called before each CloudWatch request."""

    def __init__(self, config: RegionConfig, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._values: deque[_Value] = deque()
        self._lock = threading.Lock()

    def put(self, namespace: str, name: str, value: float, unit: str, dimensions: Mapping[str, str]) -> None:
        named = tuple(sorted(dimensions.items()))
        self._values.append(_Value(namespace, name, unit, named, float(value), self._clock.now()))
        if len(self._values) > _SINGLE_VALUES:
            self._condense()

    def flush(self) -> None:
        """Hand everything to CloudWatch, value by value, so that percentiles are right too."""
        with self._lock:
            self._send([_datum(value, {"Value": value.value}) for value in self._take(len(self._values))])

    def _condense(self) -> None:
        with self._lock:
            by_minute: dict[tuple[Any, ...], list[_Value]] = {}
            for value in self._take(len(self._values) - _SINGLE_VALUES // 2):
                minute = value.at.replace(second=0, microsecond=0)
                by_minute.setdefault((value[:4], minute), []).append(value)
            data = []
            for values in by_minute.values():
                numbers = [value.value for value in values]
                statistics = {"SampleCount": len(numbers), "Sum": sum(numbers)}
                statistics |= {"Minimum": min(numbers), "Maximum": max(numbers)}
                data.append(_datum(values[0], {"StatisticValues": statistics}))
            self._send(data)

    def _take(self, count: int) -> list[_Value]:
        return [self._values.popleft() for _ in range(max(0, min(count, len(self._values))))]

    def _send(self, data: list[tuple[str, dict[str, Any]]]) -> None:
        if not data:
            return
        from moto.cloudwatch.models import cloudwatch_backends

        backend = cloudwatch_backends[self._config.account_id][self._config.region_name]
        by_namespace: dict[str, list[dict[str, Any]]] = {}
        for namespace, datum in data:
            by_namespace.setdefault(namespace, []).append(datum)
        for namespace, items in by_namespace.items():
            for start in range(0, len(items), _BATCH):
                backend.put_metric_data(namespace, items[start : start + _BATCH])


def _datum(value: _Value, what: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    dimensions = [{"Name": name, "Value": text} for name, text in value.dimensions]
    # moto compares with naive UTC times
    at = value.at.replace(tzinfo=None)
    datum = {"MetricName": value.name, "Unit": value.unit, "Dimensions": dimensions, "Timestamp": at, **what}
    return value.namespace, datum
