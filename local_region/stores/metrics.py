"""CloudWatch metrics for the region's own parts: counted cheaply, handed to moto when somebody asks for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from local_region.alarms.evaluation import Sample
from local_region.ports import Clock, RegionConfig

#: above this many single values the older ones are summed up by minute (sum, count, minimum and maximum stay exact)
_SINGLE_VALUES = 20_000
_BATCH = 1000
#: values that CloudWatch keeps; beyond it the oldest go
_KEPT = 400_000


class MetricKey(NamedTuple):
    """One metric: dimensions sorted by name; ``unit`` None for any."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str | None = None


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
        #: what CloudWatch has, by namespace and name, as far as it was looked at
        self._index: dict[tuple[str, str], list[Any]] = {}
        self._indexed = 0

    def put(
        self,
        namespace: str,
        name: str,
        value: float,
        unit: str,
        dimensions: Mapping[str, str],
        at: datetime | None = None,
    ) -> None:
        named = tuple(sorted(dimensions.items()))
        self._values.append(_Value(namespace, name, unit, named, float(value), at or self._clock.now()))
        if len(self._values) > _SINGLE_VALUES:
            self._condense()

    def flush(self) -> None:
        """Hand everything to CloudWatch, value by value, so that percentiles are right too."""
        with self._lock:
            self._send([_datum(value, {"Value": value.value}) for value in self._take(len(self._values))])

    def samples(self, since: Mapping[MetricKey, datetime]) -> dict[MetricKey, list[Sample]]:
        """The values of some metrics, each since its own time, those not handed to CloudWatch yet included."""
        found: dict[MetricKey, list[Sample]] = {key: [] for key in since}
        by_name: dict[tuple[str, str], list[MetricKey]] = {}
        for key in since:
            by_name.setdefault((key.namespace, key.name), []).append(key)
        with self._lock:
            pending = list(self._values)
            kept = [datum for name in by_name for datum in self._kept(name)]
        for datum in kept:
            for key in by_name[(datum.namespace, datum.name)]:
                at = _aware(datum.timestamp)
                named = tuple(sorted((dimension.name, dimension.value) for dimension in datum.dimensions))
                if at >= since[key] and named == key.dimensions and key.unit in (None, datum.unit):
                    found[key].append(_sample(datum, at))
        for value in pending:
            for key in by_name.get((value.namespace, value.name), ()):
                if value.at >= since[key] and value.dimensions == key.dimensions and key.unit in (None, value.unit):
                    found[key].append(Sample(value.at, 1, value.value, value.value, value.value))
        return found

    def _kept(self, name: tuple[str, str]) -> list[Any]:
        """CloudWatch's values of one metric. It only ever adds to its list, but for ``_send``, which says so."""
        data = self._backend.metric_data
        if len(data) < self._indexed:  # moto was reset
            self._index, self._indexed = {}, 0
        new = data[self._indexed :]
        for datum in new:
            self._index.setdefault((datum.namespace, datum.name), []).append(datum)
        self._indexed += len(new)
        return self._index.get(name, [])

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
        backend = self._backend
        by_namespace: dict[str, list[dict[str, Any]]] = {}
        for namespace, datum in data:
            by_namespace.setdefault(namespace, []).append(datum)
        for namespace, items in by_namespace.items():
            for start in range(0, len(items), _BATCH):
                backend.put_metric_data(namespace, items[start : start + _BATCH])
        surplus = len(backend.metric_data) - _KEPT
        if surplus > 0:
            del backend.metric_data[:surplus]
            self._index, self._indexed = {}, 0

    @property
    def _backend(self) -> Any:
        from moto.cloudwatch.models import cloudwatch_backends

        return cloudwatch_backends[self._config.account_id][self._config.region_name]


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _sample(datum: Any, at: datetime) -> Sample:
    """From moto's single value or its summed up ones."""
    if hasattr(datum, "value"):
        return Sample(at, 1, datum.value, datum.value, datum.value)
    return Sample(at, datum.sample_count, datum.sum, datum.min, datum.max)


def _datum(value: _Value, what: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    dimensions = [{"Name": name, "Value": text} for name, text in value.dimensions]
    # moto compares with naive UTC times
    at = value.at.replace(tzinfo=None)
    datum = {"MetricName": value.name, "Unit": value.unit, "Dimensions": dimensions, "Timestamp": at, **what}
    return value.namespace, datum
