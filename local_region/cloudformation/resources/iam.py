"""IAM roles and policies. What they allow is enforced for functions (``local_region.identities``)."""

# Handlers share one signature; not every one needs all of it. Messages stay on one line.
# ruff: noqa: ARG002

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from local_region.cloudformation.errors import ResourceFailure
from local_region.cloudformation.resources.base import Env, Handler, text, undone_by, words
from local_region.cloudformation.scope import Made
from local_region.ports import Json


def policy(document: Any) -> str:
    """A policy as text. IAM takes one without Version (SAM writes such) as 2008-10-17, moto refuses it; the two
    versions differ only in policy variables, which the region doesn't evaluate.
    """
    if isinstance(document, dict) and "Version" not in document:
        return text({"Version": "2012-10-17", **document})
    return text(document)


def attach(env: Env, role: str, arn: str) -> None:
    """Attach a managed policy to a role; one of AWS's own is brought into the region when it isn't there yet."""
    try:
        env.call("iam", "attach_role_policy", RoleName=role, PolicyArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity" or ":iam::aws:policy/" not in arn:
            raise
        _bring_in(env, arn)
        env.call("iam", "attach_role_policy", RoleName=role, PolicyArn=arn)


def _bring_in(env: Env, arn: str) -> None:
    """moto ships AWS's managed policies but loads all of them (seconds, tens of MB) or none; this takes the one."""
    from moto.backends import get_backend
    from moto.iam.aws_managed_policies import aws_managed_policies_data
    from moto.iam.models import AWSManagedPolicy

    config = env.region.config
    for name, data in json.loads(aws_managed_policies_data).items():
        if f"{data.get('Path', '/')}{name}" == arn.split(":policy", 1)[1]:
            backend = get_backend("iam")[config.account_id][config.partition]
            found = AWSManagedPolicy.from_data(name, config.account_id, config.region_name, data)
            backend.managed_policies[arn] = found
            return
    raise ResourceFailure(f"Policy {arn} does not exist or is not attachable.")


class Role(Handler):
    type = "AWS::IAM::Role"
    honoured = words(
        "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path Policies RoleName Tags"
    )
    required = words("AssumeRolePolicyDocument")
    replaces = words("RoleName Path")
    attributes = words("Arn RoleId")
    name_property = "RoleName"

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("RoleName") or env.name(64)
        params = {
            key: properties[key] for key in ("Description", "MaxSessionDuration", "Path", "Tags") if key in properties
        }
        trust = text(properties["AssumeRolePolicyDocument"])
        role = env.call("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=trust, **params)["Role"]
        with undone_by(lambda: self._discard(env, name)):
            self._policies(env, name, {}, properties)
        return Made(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        name = made.physical_id
        trust = new["AssumeRolePolicyDocument"]
        if trust != old["AssumeRolePolicyDocument"]:
            env.call("iam", "update_assume_role_policy", RoleName=name, PolicyDocument=text(trust))
        settings = {key: new[key] for key in ("Description", "MaxSessionDuration") if key in new}
        if settings and any(old.get(key) != value for key, value in settings.items()):
            env.call("iam", "update_role", RoleName=name, **settings)
        if new.get("Tags") and new.get("Tags") != old.get("Tags"):
            env.call("iam", "tag_role", RoleName=name, Tags=new["Tags"])
        self._policies(env, name, old, new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        self._policies(env, made.physical_id, properties, {})
        env.call("iam", "delete_role", RoleName=made.physical_id)

    def _discard(self, env: Env, role: str) -> None:
        """A role of which only some policies could be put."""
        for name in env.call("iam", "list_role_policies", RoleName=role)["PolicyNames"]:
            env.call("iam", "delete_role_policy", RoleName=role, PolicyName=name)
        for attached in env.call("iam", "list_attached_role_policies", RoleName=role)["AttachedPolicies"]:
            env.call("iam", "detach_role_policy", RoleName=role, PolicyArn=attached["PolicyArn"])
        env.call("iam", "delete_role", RoleName=role)

    def _policies(self, env: Env, role: str, old: Json, new: Json) -> None:
        before = {item["PolicyName"]: item["PolicyDocument"] for item in old.get("Policies") or []}
        after = {item["PolicyName"]: item["PolicyDocument"] for item in new.get("Policies") or []}
        for name in before.keys() - after.keys():
            env.call("iam", "delete_role_policy", RoleName=role, PolicyName=name)
        for name, document in after.items():
            if before.get(name) != document:
                env.call("iam", "put_role_policy", RoleName=role, PolicyName=name, PolicyDocument=policy(document))
        had, wants = old.get("ManagedPolicyArns") or [], new.get("ManagedPolicyArns") or []
        for arn in [arn for arn in had if arn not in wants]:
            env.call("iam", "detach_role_policy", RoleName=role, PolicyArn=arn)
        for arn in [arn for arn in wants if arn not in had]:
            attach(env, role, arn)


class ManagedPolicy(Handler):
    type = "AWS::IAM::ManagedPolicy"
    honoured = words("ManagedPolicyName PolicyDocument Description Path Roles")
    required = words("PolicyDocument")
    replaces = words("ManagedPolicyName Description Path")
    attributes = words("PolicyArn PolicyId")
    name_property = "ManagedPolicyName"

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("ManagedPolicyName") or env.name(128)
        params = {key: properties[key] for key in ("Description", "Path") if key in properties}
        document = policy(properties["PolicyDocument"])
        made = env.call("iam", "create_policy", PolicyName=name, PolicyDocument=document, **params)["Policy"]
        for role in properties.get("Roles") or []:
            attach(env, role, made["Arn"])
        return Made(made["Arn"], {"PolicyArn": made["Arn"], "PolicyId": made["PolicyId"]})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        arn = made.physical_id
        if new["PolicyDocument"] != old["PolicyDocument"]:
            versions = env.call("iam", "list_policy_versions", PolicyArn=arn)["Versions"]
            env.call(
                "iam",
                "create_policy_version",
                PolicyArn=arn,
                PolicyDocument=policy(new["PolicyDocument"]),
                SetAsDefault=True,
            )
            for version in versions:  # AWS keeps at most five: CloudFormation keeps the current one
                env.call("iam", "delete_policy_version", PolicyArn=arn, VersionId=version["VersionId"])
        self._roles(env, arn, old, new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        self._roles(env, made.physical_id, properties, {})
        env.call("iam", "delete_policy", PolicyArn=made.physical_id)

    def _roles(self, env: Env, arn: str, old: Json, new: Json) -> None:
        had, wants = old.get("Roles") or [], new.get("Roles") or []
        for role in [role for role in had if role not in wants]:
            env.call("iam", "detach_role_policy", RoleName=role, PolicyArn=arn)
        for role in [role for role in wants if role not in had]:
            attach(env, role, arn)


class Policy(Handler):
    type = "AWS::IAM::Policy"
    honoured = words("PolicyName PolicyDocument Roles")
    required = words("PolicyName PolicyDocument Roles")
    replaces = words("PolicyName")
    attributes = words("Id")

    def create(self, env: Env, properties: Json) -> Made:
        self._put(env, properties["Roles"], properties)
        return Made(env.name(), {"Id": env.name()})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        self._remove(env, [role for role in old["Roles"] if role not in new["Roles"]], old)
        self._put(env, new["Roles"], new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        self._remove(env, properties["Roles"], properties)

    def _put(self, env: Env, roles: list[Any], properties: Json) -> None:
        document = policy(properties["PolicyDocument"])
        for role in roles:
            env.call(
                "iam", "put_role_policy", RoleName=role, PolicyName=properties["PolicyName"], PolicyDocument=document
            )

    def _remove(self, env: Env, roles: list[Any], properties: Json) -> None:
        for role in roles:
            env.call("iam", "delete_role_policy", RoleName=role, PolicyName=properties["PolicyName"])
