"""EventBridge rules and buses."""

# Handlers share one signature; not every one needs all of it. Messages stay on one line.
# ruff: noqa: ARG002

from __future__ import annotations

from collections.abc import Iterator

from local_region.cloudformation.errors import ResourceFailure
from local_region.cloudformation.resources.base import Env, Handler, only, text, undone_by, unsupported, words
from local_region.cloudformation.scope import Made
from local_region.ports import Json

_TARGET = "Arn Id RoleArn Input InputPath InputTransformer DeadLetterConfig RetryPolicy SqsParameters"


class Rule(Handler):
    type = "AWS::Events::Rule"
    honoured = words("Name Description EventBusName EventPattern RoleArn ScheduleExpression State Targets Tags")
    replaces = words("Name EventBusName")
    attributes = words("Arn")
    name_property = "Name"

    def check(self, properties: Json) -> Iterator[str]:
        if not {"EventPattern", "ScheduleExpression"} & set(properties):
            yield "one of EventPattern and ScheduleExpression is required."
        targets = properties.get("Targets")
        for index, target in enumerate(targets if isinstance(targets, list) else []):
            yield from unsupported(f"Targets[{index}]", target, _TARGET)

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("Name") or env.name(64)
        bus = properties.get("EventBusName")
        arn = self._put(env, name, properties)
        with undone_by(lambda: env.call("events", "delete_rule", Name=name, **only(properties, "EventBusName"))):
            self._targets(env, name, properties, [])
        return Made(f"{bus}|{name}" if bus and bus != "default" else name, {"Arn": arn})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        name = made.physical_id.rsplit("|", 1)[-1]
        self._put(env, name, new)
        wanted = {target["Id"] for target in new.get("Targets") or []}
        gone = [target["Id"] for target in old.get("Targets") or [] if target["Id"] not in wanted]
        self._targets(env, name, new, gone)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        name, bus = made.physical_id.rsplit("|", 1)[-1], only(properties, "EventBusName")
        ids = [target["Id"] for target in properties.get("Targets") or []]
        if ids:
            env.call("events", "remove_targets", Rule=name, Ids=ids, **bus)
        env.call("events", "delete_rule", Name=name, **bus)

    def _put(self, env: Env, name: str, properties: Json) -> str:
        params = only(properties, "Description EventBusName RoleArn ScheduleExpression State Tags")
        if "EventPattern" in properties:
            params["EventPattern"] = text(properties["EventPattern"])
        return str(env.call("events", "put_rule", Name=name, **params)["RuleArn"])

    def _targets(self, env: Env, name: str, properties: Json, gone: list[str]) -> None:
        bus = only(properties, "EventBusName")
        if gone:
            env.call("events", "remove_targets", Rule=name, Ids=gone, **bus)
        targets = properties.get("Targets") or []
        if targets:
            answer = env.call("events", "put_targets", Rule=name, Targets=targets, **bus)
            if answer.get("FailedEntryCount"):
                failed = answer["FailedEntries"][0]
                raise ResourceFailure(f"Target {failed.get('TargetId')}: {failed.get('ErrorMessage')}")


class EventBus(Handler):
    type = "AWS::Events::EventBus"
    honoured = required = words("Name")
    recorded = words("Description Tags")
    replaces = words("Name")
    attributes = words("Arn Name")
    name_property = "Name"

    def create(self, env: Env, properties: Json) -> Made:
        arn = env.call("events", "create_event_bus", Name=properties["Name"])["EventBusArn"]
        return Made(properties["Name"], {"Arn": arn, "Name": properties["Name"]})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("events", "delete_event_bus", Name=made.physical_id)
