"""GetMetricStatistics and GetMetricData as CloudWatch answers them.

moto begins its periods with the first value, takes values of more dimensions for values of fewer, has no percentiles,
and answers an expression that it can't read with nothing. Here a metric is its exact dimensions, periods begin with the
start time (rounded down to a minute where a period is whole minutes), percentiles are there, and of metric math the
four operations; other expressions are refused.

Sources: "GetMetricStatistics" and "GetMetricData" of the Amazon CloudWatch API Reference.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from local_region.alarms.evaluation import STATISTICS, Sample, statistic
from local_region.front.errors import not_implemented
from local_region.ports import AwsError, Json
from local_region.stores.metrics import aware, sample

_MOST_POINTS = 1440
_PERCENTILE = re.compile(r"p(100(\.0+)?|\d{1,2}(\.\d+)?)")
_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
#: period's start → the statistic's value
Series = dict[datetime, float]


def install() -> None:
    """Put them in the place of moto's, for all of the process."""
    from moto.cloudwatch.models import CloudWatchBackend
    from moto.cloudwatch.responses import CloudWatchResponse
    from moto.core.responses import ActionResult

    def get_metric_statistics(response: Any) -> Any:
        points = read_statistics(response.cloudwatch_backend.get_all_metrics(), response._get_params())
        return ActionResult({"Label": response._get_param("MetricName"), "Datapoints": points})

    def get_metric_data(
        backend: Any, queries: Sequence[Json], start_time: datetime, end_time: datetime, scan_by: str
    ) -> list[Json]:
        return read_data(backend.get_all_metrics(), queries, start_time, end_time, scan_by)

    setattr(CloudWatchResponse, "get_metric_statistics", get_metric_statistics)  # noqa: B010 (a method of moto's class)
    setattr(CloudWatchBackend, "get_metric_data", get_metric_data)  # noqa: B010


def read_statistics(data: Iterable[Any], params: Mapping[str, Any]) -> list[Json]:
    """The ``Datapoints`` of GetMetricStatistics. ``data`` are moto's values."""
    names = [*(params.get("Statistics") or []), *(params.get("ExtendedStatistics") or [])]
    if not names:
        raise AwsError("InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
    start, end, period = aware(params["StartTime"]), aware(params["EndTime"]), int(params["Period"])
    if start >= end:
        raise AwsError("InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime.")
    asked = int((end - start).total_seconds() // period)
    if asked > _MOST_POINTS:
        text = (
            f"You have requested up to {asked:,} datapoints, which exceeds the limit of {_MOST_POINTS:,}. You may "
            "reduce the datapoints requested by increasing Period, or decreasing the time range."
        )
        raise AwsError("InvalidParameterCombination", text)
    points = []
    for at, values in _periods(_of(data, params, params.get("Unit")), start, end, period).items():
        point: Json = {"Timestamp": at, "Unit": values[0][1] or "None"}
        samples = [one for one, _ in values]
        for name in names:
            value = _statistic(name, samples)
            if value is not None and name in STATISTICS:
                point[name] = value
            elif value is not None:
                point.setdefault("ExtendedStatistics", {})[name] = value
        points.append(point)
    return points


def read_data(data: Iterable[Any], queries: Sequence[Json], start: datetime, end: datetime, scan_by: str) -> list[Json]:
    """The ``MetricDataResults`` of GetMetricData."""
    start, end = aware(start), aware(end)
    if start >= end:
        raise AwsError("ValidationError", "The parameter EndTime must be greater than StartTime.")
    kept = list(data)
    known: dict[str, Series] = {}
    for query in queries:
        if "MetricStat" in query:
            asked = query["MetricStat"]
            found = _periods(_of(kept, asked["Metric"], asked.get("Unit")), start, end, int(asked["Period"]))
            values = {at: _statistic(asked["Stat"], [one for one, _ in part]) for at, part in found.items()}
            known[query["Id"]] = {at: value for at, value in values.items() if value is not None}
    waiting = [query for query in queries if "Expression" in query]
    while waiting:
        ready = [query for query in waiting if not _names(query["Expression"]) & {one["Id"] for one in waiting}]
        if not ready:
            raise AwsError("ValidationError", "The expressions of MetricDataQueries refer to one another in a circle.")
        for query in ready:
            known[query["Id"]] = _evaluated(query["Expression"], known)
            waiting.remove(query)
    results = []
    for query in queries:
        if query.get("ReturnData") in (False, "false"):
            continue
        series = known[query["Id"]]
        times = sorted(series, reverse=scan_by == "TimestampDescending")
        results.append(
            {
                "id": query["Id"],
                "label": query.get("Label") or _label(query),
                "timestamps": times,
                "values": [series[at] for at in times],
                "status_code": "Complete",
            }
        )
    return results


def _label(query: Json) -> str:
    return str(query["MetricStat"]["Metric"]["MetricName"]) if "MetricStat" in query else str(query["Id"])


def _of(data: Iterable[Any], metric: Mapping[str, Any], unit: str | None) -> list[tuple[Sample, str]]:
    """The values of exactly this metric, with their units."""
    wanted = sorted((one["Name"], one["Value"]) for one in metric.get("Dimensions") or [])
    return [
        (sample(datum, aware(datum.timestamp)), datum.unit)
        for datum in data
        if (datum.name, datum.namespace) == (metric["MetricName"], metric["Namespace"])
        and sorted((one.name, one.value) for one in datum.dimensions) == wanted
        and unit in (None, datum.unit)
    ]


def _periods(
    values: Iterable[tuple[Sample, str]], start: datetime, end: datetime, period: int
) -> dict[datetime, list[tuple[Sample, str]]]:
    """Values by the start of their period, in order of time."""
    first = start.replace(second=0, microsecond=0) if period % 60 == 0 else start.replace(microsecond=0)
    found: dict[datetime, list[tuple[Sample, str]]] = {}
    for value in sorted(values, key=lambda each: each[0].at):
        at = value[0].at
        if first <= at < end:
            begun = first + timedelta(seconds=(at - first).total_seconds() // period * period)
            found.setdefault(begun, []).append(value)
    return found


def _statistic(name: str, samples: Sequence[Sample]) -> float | None:
    if name not in STATISTICS and not _PERCENTILE.fullmatch(name):
        raise not_implemented("cloudwatch", f"the statistic {name}; it has {', '.join(sorted(STATISTICS))}, p0 to p100")
    return statistic(name, samples)


def _tree(expression: str) -> ast.expr:
    try:
        return ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise _unread(expression) from None


def _unread(expression: str) -> AwsError:
    text = f"GetMetricData with the expression {expression!r}; it reads ids, numbers and + - * / of them"
    return not_implemented("cloudwatch", text)


def _names(expression: str) -> set[str]:
    return {node.id for node in ast.walk(_tree(expression)) if isinstance(node, ast.Name)}


def _evaluated(expression: str, known: Mapping[str, Series]) -> Series:
    def value(node: ast.expr) -> Series | float:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return node.value
        if isinstance(node, ast.Name):
            if node.id not in known:
                raise AwsError("ValidationError", f"Error in expression {expression!r}: unknown id {node.id}.")
            return known[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
            return _combined(_OPERATIONS[type(node.op)], value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return _combined(operator.sub, 0.0, value(node.operand))
        raise _unread(expression)

    found = value(_tree(expression))
    if not isinstance(found, dict):
        raise AwsError("ValidationError", f"The expression {expression!r} must have a time series as its result.")
    return found


def _combined(
    operation: Callable[[float, float], float], left: Series | float, right: Series | float
) -> Series | float:
    """At the times that both have; a number is there at all times. Where it would divide by 0 there is no value."""
    if not isinstance(left, dict) and not isinstance(right, dict):
        return operation(left, right)
    times = [set(one) for one in (left, right) if isinstance(one, dict)]
    found: Series = {}
    for at in sorted(set.intersection(*times)):
        one = left[at] if isinstance(left, dict) else left
        other = right[at] if isinstance(right, dict) else right
        if operation is not operator.truediv or other != 0:
            found[at] = operation(one, other)
    return found
