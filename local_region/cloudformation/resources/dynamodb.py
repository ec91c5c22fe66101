"""DynamoDB tables."""

# Handlers share one signature; not every one needs all of it. Messages stay on one line.
# ruff: noqa: ARG002

from __future__ import annotations

from local_region.cloudformation.resources.base import Env, Handler, only, undone_by, words
from local_region.cloudformation.scope import Made
from local_region.ports import Json

_CREATE = words(
    "AttributeDefinitions KeySchema BillingMode ProvisionedThroughput GlobalSecondaryIndexes LocalSecondaryIndexes "
    "StreamSpecification TableClass DeletionProtectionEnabled OnDemandThroughput Tags"
)


class Table(Handler):
    type = "AWS::DynamoDB::Table"
    honoured = _CREATE | words("TableName TimeToLiveSpecification PointInTimeRecoverySpecification SSESpecification")
    recorded = words("ContributorInsightsSpecification WarmThroughput")
    required = words("KeySchema")
    replaces = words("TableName KeySchema LocalSecondaryIndexes")
    attributes = words("Arn StreamArn")
    name_property = "TableName"

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("TableName") or env.name()
        params = {**only(properties, _CREATE), "TableName": name}
        params.setdefault("BillingMode", "PROVISIONED")
        if "SSESpecification" in properties:
            params["SSESpecification"] = _encryption(properties["SSESpecification"])
        if "StreamSpecification" in params:
            params["StreamSpecification"] = {**params["StreamSpecification"], "StreamEnabled": True}
        table = env.call("dynamodb", "create_table", **params)["TableDescription"]
        with undone_by(lambda: env.call("dynamodb", "delete_table", TableName=name)):
            self._features(env, name, {}, properties)
        attributes = {"Arn": table["TableArn"]}
        if table.get("LatestStreamArn"):
            attributes["StreamArn"] = table["LatestStreamArn"]
        return Made(name, attributes)

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        changed = {
            key: new[key]
            for key in words(
                "BillingMode ProvisionedThroughput TableClass DeletionProtectionEnabled OnDemandThroughput"
            )
            if key in new and new.get(key) != old.get(key)
        }
        indexes = _index_updates(old.get("GlobalSecondaryIndexes") or [], new.get("GlobalSecondaryIndexes") or [])
        if indexes:
            changed |= {
                "GlobalSecondaryIndexUpdates": indexes,
                "AttributeDefinitions": new.get("AttributeDefinitions", []),
            }
        attributes = dict(made.attributes)
        if new.get("StreamSpecification") != old.get("StreamSpecification"):
            wanted = new.get("StreamSpecification")
            changed["StreamSpecification"] = {**(wanted or {}), "StreamEnabled": wanted is not None}
        if changed:
            table = env.call("dynamodb", "update_table", TableName=made.physical_id, **changed)["TableDescription"]
            if table.get("LatestStreamArn"):
                attributes["StreamArn"] = table["LatestStreamArn"]
        self._features(env, made.physical_id, old, new)
        return Made(made.physical_id, attributes)

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("dynamodb", "delete_table", TableName=made.physical_id)

    def _features(self, env: Env, name: str, old: Json, new: Json) -> None:
        if old.get("TimeToLiveSpecification") != new.get("TimeToLiveSpecification"):
            wanted = new.get("TimeToLiveSpecification") or {**old["TimeToLiveSpecification"], "Enabled": False}
            env.call("dynamodb", "update_time_to_live", TableName=name, TimeToLiveSpecification=wanted)
        if old.get("PointInTimeRecoverySpecification") != new.get("PointInTimeRecoverySpecification"):
            recovery = new.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
            env.call("dynamodb", "update_continuous_backups", TableName=name, PointInTimeRecoverySpecification=recovery)
        if old and old.get("SSESpecification") != new.get("SSESpecification"):
            wanted = _encryption(new.get("SSESpecification") or {"SSEEnabled": False})
            env.call("dynamodb", "update_table", TableName=name, SSESpecification=wanted)


def _encryption(given: Json) -> Json:
    return {("Enabled" if key == "SSEEnabled" else key): value for key, value in given.items()}


def _index_updates(old: list[Json], new: list[Json]) -> list[Json]:
    before = {index["IndexName"]: index for index in old}
    after = {index["IndexName"]: index for index in new}
    updates: list[Json] = [{"Delete": {"IndexName": name}} for name in before if before[name] != after.get(name)]
    return updates + [{"Create": index} for name, index in after.items() if index != before.get(name)]
