"""How often endpoints were called, by CloudWatch's metric ``Invocations`` (AWS/SageMaker)."""

from __future__ import annotations

from datetime import datetime
from math import ceil
from typing import Any

from sluicegate.adapters.aws import translated

#: seconds; CloudWatch gives at most 1,440 sums at once, and keeps those of a minute for 15 days
_PERIOD, _MOST = 300, 1440


class CloudWatchCalls:
    """``ports.Calls``; ``cloudwatch`` is boto3's client."""

    def __init__(self, cloudwatch: Any) -> None:
        self._cloudwatch = cloudwatch

    def count(self, endpoint: str, variant: str, since: datetime, until: datetime) -> int:
        periods = ceil((until - since).total_seconds() / _MOST / _PERIOD)
        dimensions = {"EndpointName": endpoint, "VariantName": variant}
        with translated():
            found = self._cloudwatch.get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName="Invocations",
                Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
                StartTime=since,
                EndTime=until,
                Period=_PERIOD * max(1, periods),
                Statistics=["Sum"],
            )
        return int(sum(float(point["Sum"]) for point in found["Datapoints"]))
