"""CloudWatch metrics for the region's own parts: counted cheaply, handed to moto when somebody asks for them."""

from __future__ import annotations

import bisect
import threading
from collections import deque
from collections.abc import Iterable, Mapping
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


#: namespace, name, dimensions sorted by name
_Series = tuple[str, str, tuple[tuple[str, str], ...]]


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
        self._popped = 0  # values that have left the list
        self._watched = _Watched()

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
        with self._lock:
            watched = self._watched
            if not watched.covers(since):
                watched = self._watched = _Watched({(key.namespace, key.name) for key in since} | watched.names)
            watched.take_kept(self._backend.metric_data)
            watched.take_pending(list(self._values), self._popped)
            return {key: watched.samples(key, at, self._popped) for key, at in since.items()}

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
        taken = [self._values.popleft() for _ in range(max(0, min(count, len(self._values))))]
        self._popped += len(taken)
        return taken

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
            self._watched = _Watched(self._watched.names)

    @property
    def _backend(self) -> Any:
        from moto.cloudwatch.models import cloudwatch_backends

        return cloudwatch_backends[self._config.account_id][self._config.region_name]


class _Watched:
    """The values of the metrics that alarms look at, by metric and in the order of their times. Each value is looked
    at once: an alarm is evaluated often, and there are many of them."""

    def __init__(self, names: Iterable[tuple[str, str]] = ()) -> None:
        self.names = frozenset(names)
        #: (time, unit, sample) of what CloudWatch has; (number, unit, sample) of what it is not given yet
        self._kept: dict[_Series, list[tuple[datetime, str, Sample]]] = {}
        self._pending: dict[_Series, deque[tuple[int, str, Sample]]] = {}
        self._kept_seen = self._pending_seen = 0

    def covers(self, keys: Iterable[MetricKey]) -> bool:
        return all((key.namespace, key.name) in self.names for key in keys)

    def take_kept(self, data: list[Any]) -> None:
        """CloudWatch's list, which only grows; a shorter one is another one (moto was reset)."""
        if len(data) < self._kept_seen:
            self._kept, self._kept_seen = {}, 0
        new = data[self._kept_seen :]
        self._kept_seen += len(new)
        for datum in new:
            if (datum.namespace, datum.name) in self.names:
                at = aware(datum.timestamp)
                named = tuple(sorted((dimension.name, dimension.value) for dimension in datum.dimensions))
                series = self._kept.setdefault((datum.namespace, datum.name, named), [])
                entry = (at, datum.unit, sample(datum, at))
                if series and at < series[-1][0]:  # a client gave a time of its own
                    bisect.insort(series, entry, key=lambda each: each[0])
                else:
                    series.append(entry)

    def take_pending(self, values: list[_Value], popped: int) -> None:
        """The list of values; ``popped`` is the number of its first one."""
        first = max(self._pending_seen, popped)
        for number, value in enumerate(values[first - popped :], first):
            if (value.namespace, value.name) in self.names:
                series = self._pending.setdefault((value.namespace, value.name, value.dimensions), deque())
                series.append((number, value.unit, Sample(value.at, 1, value.value, value.value, value.value)))
        self._pending_seen = popped + len(values)

    def samples(self, key: MetricKey, since: datetime, popped: int) -> list[Sample]:
        """Since a time. Values with a number below ``popped`` are CloudWatch's meanwhile."""
        series = self._kept.get(key[:3], [])
        pending = self._pending.get(key[:3], deque())
        while pending and pending[0][0] < popped:
            pending.popleft()
        recent = series[bisect.bisect_left(series, since, key=lambda each: each[0]) :]
        found = [sample for _, unit, sample in recent if key.unit in (None, unit)]
        return found + [s for _, unit, s in pending if s.at >= since and key.unit in (None, unit)]


def aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def sample(datum: Any, at: datetime) -> Sample:
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
