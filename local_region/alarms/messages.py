"""What those who are told of a change get: EventBridge's event, SNS's message, Lambda's payload.

Formats: CloudWatch user guide, "Alarm events and EventBridge" and "Notifying users on alarm changes".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.session import Session

from local_region.alarms.evaluation import Rule, Verdict
from local_region.ports import Json, RegionConfig


@dataclass(frozen=True)
class Situation:
    """One state of an alarm, with why and since when."""

    value: str
    reason: str
    reason_data: str
    since: datetime


@dataclass(frozen=True)
class Change:
    """``alarm`` is moto's, as it is after the change."""

    alarm: Any
    before: Situation
    after: Situation


def situation(alarm: Any) -> Situation:
    return Situation(alarm.state_value, alarm.state_reason, alarm.state_reason_data, alarm.state_updated_timestamp)


def reason_data(rule: Rule, verdict: Verdict, now: datetime) -> str:
    """The machine's form of a state's reason."""
    recent = [point.value for point in verdict.recent]
    evaluated = [
        {"timestamp": _stamp(point.at), "sampleCount": point.count, "value": point.value}
        for point in reversed(verdict.recent)
    ]
    data: Json = {"version": "1.0", "queryDate": _stamp(now)}
    if verdict.recent:
        data["startDate"] = _stamp(verdict.recent[0].at)
    data |= {"statistic": rule.statistic, "period": rule.period, "recentDatapoints": recent}
    return json.dumps({**data, "threshold": rule.threshold, "evaluatedDatapoints": evaluated})


def event_detail(change: Change) -> Json:
    """The detail of "CloudWatch Alarm State Change"."""
    alarm = change.alarm
    stat = {
        "metric": {
            "namespace": alarm.namespace,
            "name": alarm.metric_name,
            "dimensions": {dimension.name: dimension.value for dimension in alarm.dimensions},
        },
        "period": int(alarm.period),
        "stat": alarm.statistic or alarm.extended_statistic,
    }
    if alarm.unit:
        stat["unit"] = alarm.unit
    configuration: Json = {"metrics": [{"id": "m1", "metricStat": stat, "returnData": True}]}
    if alarm.description:
        configuration["description"] = alarm.description
    return {
        "alarmName": alarm.name,
        "state": _state(change.after),
        "previousState": _state(change.before),
        "configuration": configuration,
    }


def notification(change: Change, config: RegionConfig) -> tuple[str, str]:
    """Subject and message (JSON text) for a topic."""
    alarm = change.alarm
    place = region_title(config.region_name)
    periods = int(alarm.evaluation_periods)
    trigger: Json = {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "StatisticType": "Statistic" if alarm.statistic else "ExtendedStatistic",
        ("Statistic" if alarm.statistic else "ExtendedStatistic"): (
            alarm.statistic.upper() if alarm.statistic else alarm.extended_statistic
        ),
        "Unit": alarm.unit or None,
        "Dimensions": [{"value": dimension.value, "name": dimension.name} for dimension in alarm.dimensions],
        "Period": int(alarm.period),
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": int(alarm.datapoints_to_alarm or periods),
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": float(alarm.threshold),
        "TreatMissingData": alarm.treat_missing_data or "missing",
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile or "",
    }
    message: Json = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description or None,
        "AWSAccountId": config.account_id,
        "AlarmConfigurationUpdatedTimestamp": _stamp(alarm.configuration_updated_timestamp),
        "NewStateValue": change.after.value,
        "NewStateReason": change.after.reason,
        "StateChangeTime": _stamp(change.after.since),
        "Region": place,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": change.before.value,
        "OKActions": list(alarm.ok_actions or ()),
        "AlarmActions": list(alarm.alarm_actions or ()),
        "InsufficientDataActions": list(alarm.insufficient_data_actions or ()),
        "Trigger": trigger,
    }
    # SNS takes 100 characters, moto one less
    return f'{change.after.value}: "{alarm.name}" in {place}'[:99], json.dumps(message)


def function_payload(change: Change, config: RegionConfig) -> Json:
    """What a function gets that is an alarm's action."""
    return {
        "source": "aws.cloudwatch",
        "alarmArn": change.alarm.alarm_arn,
        "accountId": config.account_id,
        "time": _stamp(change.after.since),
        "region": config.region_name,
        "alarmData": event_detail(change),
    }


def region_title(name: str) -> str:
    """``US East (N. Virginia)`` for ``us-east-1``, from botocore's own data; an unknown name is its own title."""
    for partition in Session().get_data("endpoints")["partitions"]:
        if name in partition["regions"]:
            return str(partition["regions"][name]["description"])
    return name


def _state(of: Situation) -> Json:
    state: Json = {"value": of.value, "reason": of.reason, "timestamp": _stamp(of.since)}
    if of.reason_data and of.reason_data != "{}":
        state["reasonData"] = of.reason_data
    return state


def _stamp(at: datetime) -> str:
    """moto's times are naive and in UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return f"{aware.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{aware.microsecond // 1000:03d}+0000"
