"""The application's own metrics, in a namespace of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.domain.names import METRICS, PREDICTION_SHIFT

#: PutMetricData takes 1,000 values
_MOST = 1_000


class CloudWatchMetrics:
    """``ports.Metrics``; ``cloudwatch`` is boto3's client. ``prefix`` tells one stack's metrics from another's."""

    def __init__(self, cloudwatch: Any, prefix: str) -> None:
        self._cloudwatch = cloudwatch
        self._stack = {"Name": "NamePrefix", "Value": prefix}

    def drifted(self, state: Mapping[str, bool], at: datetime) -> None:
        """``DriftedModels``: how many. ``Drifted``: 1 or 0 of each. Telling it again changes no maximum."""
        values = [
            {"MetricName": "DriftedModels", "Dimensions": [self._stack], "Value": float(sum(state.values()))},
            *(
                {
                    "MetricName": "Drifted",
                    "Dimensions": [self._stack, {"Name": "Model", "Value": model}],
                    "Value": float(found),
                }
                for model, found in sorted(state.items())
            ),
        ]
        for start in range(0, len(values), _MOST):
            data = [{**value, "Timestamp": at, "Unit": "Count"} for value in values[start : start + _MOST]]
            with translated():
                self._cloudwatch.put_metric_data(Namespace=METRICS, MetricData=data)

    def shifted(self, dimensions: Mapping[str, str], distance: float, at: datetime) -> None:
        """``PredictionShift`` of a version that comes in; telling it again changes no maximum."""
        named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        datum = {
            "MetricName": PREDICTION_SHIFT,
            "Dimensions": named,
            "Value": distance,
            "Timestamp": at,
            "Unit": "None",
        }
        with translated():
            self._cloudwatch.put_metric_data(Namespace=METRICS, MetricData=[datum])
