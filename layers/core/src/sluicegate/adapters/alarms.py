"""CloudWatch alarms that watch a version while it comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.adapters.jobs import tag_list
from sluicegate.ports_serving import AlarmSpec, AlarmState


class CloudWatchAlarms:
    """``ports.Alarms``; ``cloudwatch`` is boto3's client."""

    def __init__(self, cloudwatch: Any) -> None:
        self._cloudwatch = cloudwatch

    def put(self, spec: AlarmSpec, tags: Mapping[str, str]) -> None:
        statistic = (
            {"ExtendedStatistic": spec.statistic} if spec.statistic.startswith("p") else {"Statistic": spec.statistic}
        )
        with translated():
            self._cloudwatch.put_metric_alarm(
                AlarmName=spec.name,
                AlarmDescription=spec.description,
                Namespace=spec.namespace,
                MetricName=spec.metric,
                Dimensions=[{"Name": name, "Value": value} for name, value in spec.dimensions.items()],
                Period=60,
                EvaluationPeriods=spec.minutes,
                DatapointsToAlarm=1,
                Threshold=spec.threshold,
                ComparisonOperator="GreaterThanOrEqualToThreshold",
                TreatMissingData="notBreaching",
                ActionsEnabled=False,
                Tags=tag_list(tags),
                **statistic,
            )

    def states(self, names: Sequence[str]) -> list[AlarmState]:
        if not names:
            return []
        with translated():
            answer = self._cloudwatch.describe_alarms(AlarmNames=list(names))
        return [
            AlarmState(found["AlarmName"], found["StateValue"], found.get("StateReason", ""))
            for found in answer["MetricAlarms"]
        ]

    def delete(self, names: Sequence[str]) -> None:
        """Those that are there; CloudWatch deletes none when one is not."""
        there = [state.name for state in self.states(names)]
        if there:
            with translated():
                self._cloudwatch.delete_alarms(AlarmNames=there)

    def latency_ms(self, endpoint: str, variant: str, until: datetime, span: timedelta) -> float | None:
        with translated():
            answer = self._cloudwatch.get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName="ModelLatency",
                Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}],
                StartTime=until - span,
                EndTime=until,
                Period=int(span.total_seconds()),
                ExtendedStatistics=["p99"],
            )
        found = [point["ExtendedStatistics"]["p99"] for point in answer["Datapoints"] if "ExtendedStatistics" in point]
        return max(found) / 1000 if found else None  # SageMaker counts microseconds
