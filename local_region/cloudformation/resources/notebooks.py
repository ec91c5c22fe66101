"""SageMaker notebook instances and their lifecycle configurations."""

# Handlers share one signature; not every one needs all of it. Messages stay on one line.
# ruff: noqa: ARG002

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from local_region.cloudformation.errors import ResourceFailure
from local_region.cloudformation.resources.base import Env, Handler, only, tag_map, words
from local_region.cloudformation.scope import Made
from local_region.ports import Json

_SECONDS = 60.0


class NotebookInstance(Handler):
    """Made when it is InService; changed and deleted by way of Stopped, as SageMaker wants it."""

    type = "AWS::SageMaker::NotebookInstance"
    _both = words(
        "InstanceType RoleArn VolumeSizeInGB DefaultCodeRepository AdditionalCodeRepositories RootAccess "
        "LifecycleConfigName"
    )
    _fixed = words("DirectInternetAccess SubnetId SecurityGroupIds KmsKeyId PlatformIdentifier")
    honoured = _both | _fixed | words("NotebookInstanceName Tags")
    required = words("InstanceType RoleArn")
    replaces = words("NotebookInstanceName") | _fixed
    attributes = words("NotebookInstanceName")
    name_property = "NotebookInstanceName"

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("NotebookInstanceName") or env.name(63)
        params = only(properties, self._both | self._fixed)
        tags = [{"Key": key, "Value": value} for key, value in tag_map(properties.get("Tags")).items()]
        made = env.call("sagemaker", "create_notebook_instance", NotebookInstanceName=name, Tags=tags, **params)
        _wait(env, name, "InService")
        return Made(made["NotebookInstanceArn"], {"NotebookInstanceName": name})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        name = _name(made)
        _stop(env, name)
        params = only(new, self._both)
        for key, flag in (
            ("LifecycleConfigName", "DisassociateLifecycleConfig"),
            ("DefaultCodeRepository", "DisassociateDefaultCodeRepository"),
            ("AdditionalCodeRepositories", "DisassociateAdditionalCodeRepositories"),
        ):
            if old.get(key) and not new.get(key):
                params[flag] = True
        env.call("sagemaker", "update_notebook_instance", NotebookInstanceName=name, **params)
        _wait(env, name, "Stopped")
        env.call("sagemaker", "start_notebook_instance", NotebookInstanceName=name)
        _wait(env, name, "InService")
        before, after = tag_map(old.get("Tags")), tag_map(new.get("Tags"))
        if gone := sorted(set(before) - set(after)):
            env.call("sagemaker", "delete_tags", ResourceArn=made.physical_id, TagKeys=gone)
        if after != before and after:
            tags = [{"Key": key, "Value": value} for key, value in after.items()]
            env.call("sagemaker", "add_tags", ResourceArn=made.physical_id, Tags=tags)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        name = _name(made)
        if _status(env, name) is None:
            return
        _stop(env, name)
        env.call("sagemaker", "delete_notebook_instance", NotebookInstanceName=name)
        _wait(env, name, None)


class LifecycleConfig(Handler):
    type = "AWS::SageMaker::NotebookInstanceLifecycleConfig"
    _scripts = words("OnCreate OnStart")
    honoured = _scripts | words("NotebookInstanceLifecycleConfigName Tags")
    replaces = words("NotebookInstanceLifecycleConfigName Tags")
    attributes = words("NotebookInstanceLifecycleConfigName")
    name_property = "NotebookInstanceLifecycleConfigName"

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("NotebookInstanceLifecycleConfigName") or env.name(63)
        tags = [{"Key": key, "Value": value} for key, value in tag_map(properties.get("Tags")).items()]
        made = env.call(
            "sagemaker",
            "create_notebook_instance_lifecycle_config",
            NotebookInstanceLifecycleConfigName=name,
            Tags=tags,
            **only(properties, self._scripts),
        )
        return Made(made["NotebookInstanceLifecycleConfigArn"], {"NotebookInstanceLifecycleConfigName": name})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        scripts: Json = {"OnCreate": [], "OnStart": []} | only(new, self._scripts)
        name = _name(made)
        env.call(
            "sagemaker",
            "update_notebook_instance_lifecycle_config",
            NotebookInstanceLifecycleConfigName=name,
            **scripts,
        )
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        method = "delete_notebook_instance_lifecycle_config"
        try:
            env.call("sagemaker", method, NotebookInstanceLifecycleConfigName=_name(made))
        except ClientError as error:
            if "does not exist" not in str(error):
                raise


def _name(made: Made) -> str:
    """The physical id of both is the ARN."""
    return made.physical_id.rsplit("/", 1)[-1]


def _status(env: Env, name: str) -> str | None:
    try:
        found: Any = env.call("sagemaker", "describe_notebook_instance", NotebookInstanceName=name)
    except ClientError as error:
        if "RecordNotFound" in str(error):
            return None
        raise
    return str(found["NotebookInstanceStatus"])


def _stop(env: Env, name: str) -> None:
    if _status(env, name) == "InService":
        env.call("sagemaker", "stop_notebook_instance", NotebookInstanceName=name)
    _wait(env, name, "Stopped")


def _polls() -> Iterator[None]:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        yield
        time.sleep(0.05)


def _wait(env: Env, name: str, wanted: str | None) -> None:
    found: str | None = ""
    for _ in _polls():
        found = _status(env, name)
        if found == wanted:
            return
        if found in ("Failed", None):
            break
    raise ResourceFailure(f"Notebook instance {name} did not become {wanted or 'deleted'}: it is {found or 'gone'}.")
