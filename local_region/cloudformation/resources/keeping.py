"""Secrets, parameters, keys, model package groups, wait handles."""

# Handlers share one signature; not every one needs all of it. Messages stay on one line.
# ruff: noqa: ARG002

from __future__ import annotations

import json
from collections.abc import Iterator

from local_region.cloudformation.resources.base import Env, Handler, only, tag_map, text, undone_by, unsupported, words
from local_region.cloudformation.scope import Made
from local_region.ports import Json

_GENERATED = (
    "PasswordLength ExcludeCharacters ExcludeNumbers ExcludePunctuation ExcludeUppercase ExcludeLowercase IncludeSpace "
    "RequireEachIncludedType"
)


class Secret(Handler):
    type = "AWS::SecretsManager::Secret"
    honoured = words("Name Description SecretString GenerateSecretString KmsKeyId Tags")
    replaces = words("Name")
    attributes = words("Id")
    name_property = "Name"

    def check(self, properties: Json) -> Iterator[str]:
        yield from unsupported(
            "GenerateSecretString",
            properties.get("GenerateSecretString"),
            f"{_GENERATED} SecretStringTemplate GenerateStringKey",
        )
        if {"SecretString", "GenerateSecretString"} <= set(properties):
            yield "SecretString and GenerateSecretString exclude each other."

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("Name") or env.name(512)
        params = only(properties, "Description KmsKeyId Tags")
        arn = env.call(
            "secretsmanager", "create_secret", Name=name, SecretString=self._value(env, properties), **params
        )["ARN"]
        return Made(arn, {"Id": arn})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        params = only(new, "Description KmsKeyId")
        if any(old.get(key) != new.get(key) for key in ("SecretString", "GenerateSecretString")):
            params["SecretString"] = self._value(env, new)
        if params:
            env.call("secretsmanager", "update_secret", SecretId=made.physical_id, **params)
        if new.get("Tags") and new["Tags"] != old.get("Tags"):
            env.call("secretsmanager", "tag_resource", SecretId=made.physical_id, Tags=new["Tags"])
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("secretsmanager", "delete_secret", SecretId=made.physical_id, ForceDeleteWithoutRecovery=True)

    def _value(self, env: Env, properties: Json) -> str:
        generate = properties.get("GenerateSecretString")
        if generate is None:
            return str(properties.get("SecretString", ""))
        password = str(
            env.call("secretsmanager", "get_random_password", **only(generate, _GENERATED))["RandomPassword"]
        )
        if "SecretStringTemplate" not in generate:
            return password
        return json.dumps({**json.loads(generate["SecretStringTemplate"]), generate["GenerateStringKey"]: password})


class Parameter(Handler):
    type = "AWS::SSM::Parameter"
    _put = words("Value Type Description Tier AllowedPattern DataType Policies")
    honoured = _put | words("Name Tags")
    required = words("Type Value")
    replaces = words("Name")
    attributes = words("Type Value")
    name_property = "Name"

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("Name") or env.name(900)
        tags = [{"Key": key, "Value": value} for key, value in tag_map(properties.get("Tags")).items()]
        env.call("ssm", "put_parameter", Name=name, Tags=tags, **only(properties, self._put))
        return Made(name, only(properties, "Type Value"))

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        env.call("ssm", "put_parameter", Name=made.physical_id, Overwrite=True, **only(new, self._put))
        return Made(made.physical_id, only(new, "Type Value"))

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("ssm", "delete_parameter", Name=made.physical_id)


class Key(Handler):
    type = "AWS::KMS::Key"
    honoured = words(
        "KeyPolicy Description Enabled EnableKeyRotation KeySpec KeyUsage MultiRegion PendingWindowInDays Tags"
    )
    recorded = words("BypassPolicyLockoutSafetyCheck RotationPeriodInDays")
    replaces = words("KeySpec KeyUsage MultiRegion")
    attributes = words("Arn KeyId")

    def create(self, env: Env, properties: Json) -> Made:
        params = only(properties, "Description KeySpec KeyUsage MultiRegion")
        if "KeyPolicy" in properties:
            params["Policy"] = text(properties["KeyPolicy"])
        params["Tags"] = [{"TagKey": key, "TagValue": value} for key, value in tag_map(properties.get("Tags")).items()]
        made = env.call("kms", "create_key", **params)["KeyMetadata"]
        key = made["KeyId"]
        with undone_by(lambda: env.call("kms", "schedule_key_deletion", KeyId=key, PendingWindowInDays=7)):
            self._switch(env, key, properties)
        return Made(made["KeyId"], {"Arn": made["Arn"], "KeyId": made["KeyId"]})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        key = made.physical_id
        if "KeyPolicy" in new and new["KeyPolicy"] != old.get("KeyPolicy"):
            env.call("kms", "put_key_policy", KeyId=key, PolicyName="default", Policy=text(new["KeyPolicy"]))
        if new.get("Description", "") != old.get("Description", ""):
            env.call("kms", "update_key_description", KeyId=key, Description=new.get("Description", ""))
        self._switch(env, key, new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        days = properties.get("PendingWindowInDays", 30)
        env.call("kms", "schedule_key_deletion", KeyId=made.physical_id, PendingWindowInDays=days)

    def _switch(self, env: Env, key: str, properties: Json) -> None:
        rotation = str(properties.get("EnableKeyRotation", "false")).lower() == "true"
        env.call("kms", "enable_key_rotation" if rotation else "disable_key_rotation", KeyId=key)
        enabled = str(properties.get("Enabled", "true")).lower() == "true"
        env.call("kms", "enable_key" if enabled else "disable_key", KeyId=key)


class Alias(Handler):
    type = "AWS::KMS::Alias"
    honoured = required = words("AliasName TargetKeyId")
    replaces = words("AliasName")
    name_property = "AliasName"

    def create(self, env: Env, properties: Json) -> Made:
        env.call("kms", "create_alias", **properties)
        return Made(properties["AliasName"])

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        env.call("kms", "update_alias", **new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("kms", "delete_alias", AliasName=made.physical_id)


class ModelPackageGroup(Handler):
    type = "AWS::SageMaker::ModelPackageGroup"
    honoured = words("ModelPackageGroupName ModelPackageGroupDescription Tags")
    required = words("ModelPackageGroupName")
    replaces = words("ModelPackageGroupName ModelPackageGroupDescription")
    attributes = words("ModelPackageGroupArn CreationTime ModelPackageGroupStatus")
    name_property = "ModelPackageGroupName"

    def create(self, env: Env, properties: Json) -> Made:
        arn = env.call("sagemaker", "create_model_package_group", **properties)["ModelPackageGroupArn"]
        created = env.region.clock.now().isoformat()
        return Made(arn, {"ModelPackageGroupArn": arn, "CreationTime": created, "ModelPackageGroupStatus": "Completed"})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        env.call("sagemaker", "add_tags", ResourceArn=made.physical_id, Tags=new.get("Tags") or [])
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        name = properties["ModelPackageGroupName"]
        env.call("sagemaker", "delete_model_package_group", ModelPackageGroupName=name)


class WaitConditionHandle(Handler):
    type = "AWS::CloudFormation::WaitConditionHandle"
    honoured = frozenset()

    def create(self, env: Env, properties: Json) -> Made:
        return Made(f"{env.region.config.endpoint}/_local/wait/{env.name()}")

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        """Nothing was made."""
