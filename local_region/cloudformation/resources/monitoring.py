"""CloudWatch alarms and dashboards, log groups."""

# Handlers share one signature; not every one needs all of it. Messages stay on one line.
# ruff: noqa: ARG002

from __future__ import annotations

from local_region.cloudformation.resources.base import Env, Handler, only, tag_map, text, undone_by, words
from local_region.cloudformation.scope import Made
from local_region.ports import Json


class Alarm(Handler):
    type = "AWS::CloudWatch::Alarm"
    _put = words(
        "AlarmDescription ActionsEnabled OKActions AlarmActions InsufficientDataActions MetricName Namespace Statistic "
        "ExtendedStatistic Dimensions Period Unit EvaluationPeriods DatapointsToAlarm Threshold ComparisonOperator "
        "TreatMissingData EvaluateLowSampleCountPercentile Metrics ThresholdMetricId Tags"
    )
    honoured = _put | words("AlarmName")
    required = words("ComparisonOperator EvaluationPeriods")
    replaces = words("AlarmName")
    attributes = words("Arn")
    name_property = "AlarmName"

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("AlarmName") or env.name()
        env.call("cloudwatch", "put_metric_alarm", AlarmName=name, **only(properties, self._put))
        return Made(name, {"Arn": env.arn("cloudwatch", f"alarm:{name}")})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        env.call("cloudwatch", "put_metric_alarm", AlarmName=made.physical_id, **only(new, self._put))
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("cloudwatch", "delete_alarms", AlarmNames=[made.physical_id])


class Dashboard(Handler):
    type = "AWS::CloudWatch::Dashboard"
    honoured = words("DashboardName DashboardBody")
    required = words("DashboardBody")
    replaces = words("DashboardName")
    name_property = "DashboardName"

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("DashboardName") or env.name()
        env.call("cloudwatch", "put_dashboard", DashboardName=name, DashboardBody=text(properties["DashboardBody"]))
        return Made(name)

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        body = text(new["DashboardBody"])
        env.call("cloudwatch", "put_dashboard", DashboardName=made.physical_id, DashboardBody=body)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("cloudwatch", "delete_dashboards", DashboardNames=[made.physical_id])


class LogGroup(Handler):
    type = "AWS::Logs::LogGroup"
    honoured = words("LogGroupName RetentionInDays Tags")
    recorded = words("KmsKeyId LogGroupClass DataProtectionPolicy FieldIndexPolicies")
    replaces = words("LogGroupName")
    attributes = words("Arn")
    name_property = "LogGroupName"

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("LogGroupName") or env.name(512)
        tags = tag_map(properties.get("Tags"))
        env.call("logs", "create_log_group", logGroupName=name, **({"tags": tags} if tags else {}))
        with undone_by(lambda: env.call("logs", "delete_log_group", logGroupName=name)):
            self._retention(env, name, {}, properties)
        return Made(name, {"Arn": env.arn("logs", f"log-group:{name}:*")})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        self._retention(env, made.physical_id, old, new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("logs", "delete_log_group", logGroupName=made.physical_id)

    def _retention(self, env: Env, name: str, old: Json, new: Json) -> None:
        days = new.get("RetentionInDays")
        if days == old.get("RetentionInDays"):
            return
        if days is None:
            env.call("logs", "delete_retention_policy", logGroupName=name)
        else:
            env.call("logs", "put_retention_policy", logGroupName=name, retentionInDays=days)


class SubscriptionFilter(Handler):
    """Delivered to a function (``local_region/stores/subscriptions.py``); another destination is refused there."""

    type = "AWS::Logs::SubscriptionFilter"
    honoured = words("LogGroupName FilterName FilterPattern DestinationArn")
    required = words("LogGroupName FilterPattern DestinationArn")
    replaces = words("LogGroupName FilterName")
    name_property = "FilterName"

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("FilterName") or env.name(512)
        self._put(env, name, properties)
        return Made(name)

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        self._put(env, made.physical_id, new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        group = properties["LogGroupName"]
        env.call("logs", "delete_subscription_filter", logGroupName=group, filterName=made.physical_id)

    def _put(self, env: Env, name: str, properties: Json) -> None:
        env.call(
            "logs",
            "put_subscription_filter",
            logGroupName=properties["LogGroupName"],
            filterName=name,
            filterPattern=properties["FilterPattern"],
            destinationArn=properties["DestinationArn"],
        )
