"""Deploy a SAM template through CloudFormation's change sets, as any AWS client would."""

from __future__ import annotations

import shlex
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice import output
from sluice.errors import CliError
from sluice.packaging import Package, package
from sluice.target import Target

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_NOTHING = ("didn't contain changes", "no updates are to be performed", "no changes")
_MAX_BODY = 51_200  # CloudFormation's limit for TemplateBody; a larger one goes by TemplateURL
_TIMEOUT = 1800.0


@dataclass(frozen=True)
class Step:
    """One resource that came to a new state."""

    logical_id: str
    kind: str
    status: str
    reason: str = ""

    @property
    def is_final(self) -> bool:
        return self.status.endswith(("_COMPLETE", "_FAILED"))

    @property
    def failed(self) -> bool:
        return self.status.endswith("_FAILED") and "cancelled" not in self.reason.lower()


@dataclass(frozen=True)
class Deployment:
    """``changed`` is False when the stack was already as the template says."""

    changed: bool
    uploaded: int
    steps: list[Step]
    outputs: dict[str, str]


def deployments_bucket(target: Target) -> str:
    """The bucket that holds packages: the local region's own, or one for an account and region."""
    if target.is_local:
        return "sluicegate-deployments"
    return f"sluicegate-deployments-{target.account_id}-{target.session.region_name}"


def deploy(
    target: Target,
    template_path: Path,
    parameters: Mapping[str, str],
    say: Callable[[str], None],
    on_step: Callable[[Step], None],
) -> Deployment:
    """Package, upload what changed, and bring the stack to the template's state.

    Raises:
        CliError: the template or a resource was refused, with the first reasons.
    """
    bucket = deployments_bucket(target)
    if target.is_local:
        parameters = local_parameters(template_path.parent / "samconfig.toml") | dict(parameters)
    say("packaging")
    packed = package(template_path, bucket, target.is_local)
    uploaded = upload(target, bucket, packed, say)
    stack = target.describe_stack()
    refuse_unfit(target, stack)
    say("making the change set")
    changes = _change_set(target, packed, bucket, stack, parameters)
    if changes is None:
        return Deployment(False, uploaded, [], target.outputs)
    steps = _execute(target, changes, on_step)
    target.__dict__.pop("outputs", None)  # they may have changed
    return Deployment(True, uploaded, steps, target.outputs)


def local_parameters(samconfig: Path) -> dict[str, str]:
    """What ``samconfig.toml`` gives the local region (its ``local`` environment), so that both ways deploy the same."""
    try:
        found = tomllib.loads(samconfig.read_text())
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise CliError(f"{samconfig} is not valid TOML: {error}.", "Correct it.") from error
    given = found.get("local", {}).get("deploy", {}).get("parameters", {}).get("parameter_overrides", "")
    words = given if isinstance(given, list) else shlex.split(given)
    return {name: value for name, _, value in (str(word).partition("=") for word in words)}


def upload(target: Target, bucket: str, packed: Package, say: Callable[[str], None]) -> int:
    """Put the packages that the bucket doesn't have; returns how many."""
    s3 = target.client("s3")
    known = _keys(s3, bucket)
    if known is None:
        _make_bucket(target, s3, bucket)
        known = set()
    missing = [asset for asset in packed.assets if asset.key not in known]
    for number, asset in enumerate(missing, 1):
        say(f"uploading {asset.resource} ({number} of {len(missing)}, {output.size_text(len(asset.body))})")
        s3.put_object(Bucket=bucket, Key=asset.key, Body=asset.body, ContentType="application/zip")
    return len(missing)


def _keys(s3: Any, bucket: str) -> set[str] | None:
    from botocore.exceptions import ClientError

    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="packages/")
        return {item["Key"] for page in pages for item in page.get("Contents", [])}
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchBucket", "404"):
            return None
        raise


def _make_bucket(target: Target, s3: Any, bucket: str) -> None:
    region = target.session.region_name
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **where)
    if not target.is_local:
        block = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(block, True))


def refuse_unfit(target: Target, stack: Mapping[str, Any] | None) -> None:
    """A stack that CloudFormation can't update needs a person first."""
    status = str(stack["StackStatus"]) if stack else ""
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        raise CliError(
            f"The stack {target.stack_name} is in {status} and can't be updated.",
            f"Delete it first: `aws cloudformation delete-stack --stack-name {target.stack_name}`.",
        )
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise CliError(f"The stack {target.stack_name} is being changed ({status}).", "Wait until that is done.")


def stack_parameters(
    template: Mapping[str, Any], stack: Mapping[str, Any] | None, given: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The parameters to send: those given, and for an update the stack's own values for the rest.

    Raises:
        CliError: a given parameter is not in the template.
    """
    declared = template.get("Parameters") or {}
    for name in given:
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            raise CliError(f"The template has no parameter {name}.", f"It has: {known}.")
    sent: list[dict[str, Any]] = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    for item in (stack or {}).get("Parameters") or []:
        key = item["ParameterKey"]
        if key in declared and key not in given:
            sent.append({"ParameterKey": key, "UsePreviousValue": True})
    return sent


def _change_set(
    target: Target, packed: Package, bucket: str, stack: Mapping[str, Any] | None, parameters: Mapping[str, str]
) -> str | None:
    """The ARN of an executable change set, or None when there is nothing to change."""
    cloudformation = target.client("cloudformation")
    creating = stack is None or stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    body = packed.body
    where: dict[str, str] = {"TemplateBody": body}
    if len(body.encode()) > _MAX_BODY:
        key = f"templates/{target.stack_name}.json"
        target.client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
        where = {"TemplateURL": _object_url(target, bucket, key)}
    answer = cloudformation.create_change_set(
        StackName=target.stack_name,
        ChangeSetName=f"sluice-{time.time_ns() // 1_000_000}",
        ChangeSetType="CREATE" if creating else "UPDATE",
        Capabilities=CAPABILITIES,
        Parameters=stack_parameters(packed.template, None if creating else stack, parameters),
        **where,
    )
    arn = str(answer["Id"])
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        found = cloudformation.describe_change_set(ChangeSetName=arn, StackName=target.stack_name)
        if found["Status"] == "CREATE_COMPLETE":
            return arn
        if found["Status"] == "FAILED":
            reason = str(found.get("StatusReason", "no reason given"))
            cloudformation.delete_change_set(ChangeSetName=arn, StackName=target.stack_name)
            if any(words in reason.lower() for words in _NOTHING):
                return None
            raise CliError(
                f"CloudFormation refused the template: {reason}", "`sam validate --lint` may say it more precisely."
            )
        time.sleep(_interval(target))
    raise CliError("The change set was not ready in time.", "Look at it in CloudFormation.")


def _object_url(target: Target, bucket: str, key: str) -> str:
    if target.info:
        return f"{target.info.endpoint}/{bucket}/{key}"
    return f"https://{bucket}.s3.{target.session.region_name}.amazonaws.com/{key}"


def _execute(target: Target, change_set: str, on_step: Callable[[Step], None]) -> list[Step]:
    cloudformation = target.client("cloudformation")
    seen = {event["EventId"] for event in _new_events(cloudformation, target.stack_name, set())[-1:]}
    cloudformation.execute_change_set(ChangeSetName=change_set, StackName=target.stack_name)
    steps: list[Step] = []
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        stack = target.describe_stack() or {"StackStatus": "DELETE_COMPLETE"}
        for event in _new_events(cloudformation, target.stack_name, seen):
            seen.add(event["EventId"])
            step = Step(
                event["LogicalResourceId"],
                event["ResourceType"],
                event["ResourceStatus"],
                event.get("ResourceStatusReason", ""),
            )
            if step.kind != "AWS::CloudFormation::Stack":
                steps.append(step)
                on_step(step)
        status = str(stack["StackStatus"])
        if not status.endswith("_IN_PROGRESS"):
            if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
                raise _failure(target, stack, steps)
            return steps
        time.sleep(_interval(target))
    raise CliError("The deployment did not end in time.", "Look at the stack's events in CloudFormation.")


def _failure(target: Target, stack: Mapping[str, Any], steps: list[Step]) -> CliError:
    reasons = [f"  {step.logical_id} ({step.kind}): {step.reason}" for step in steps if step.failed][:5]
    if not reasons:
        reasons = [f"  {stack.get('StackStatusReason', 'no reason given')}"]
    return CliError(
        f"The deployment failed and was rolled back ({stack['StackStatus']}):\n" + "\n".join(reasons),
        f"`aws cloudformation describe-stack-events --stack-name {target.stack_name}` shows everything.",
    )


def _new_events(cloudformation: Any, stack_name: str, seen: set[str]) -> list[dict[str, Any]]:
    """What happened after the events in ``seen``, oldest first. They come newest first, a hundred a page."""
    from botocore.exceptions import ClientError

    found: list[dict[str, Any]] = []
    try:
        for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_name):
            for event in page["StackEvents"]:
                if event["EventId"] in seen:
                    return found[::-1]
                found.append(event)
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
    return found[::-1]


def _interval(target: Target) -> float:
    return 0.15 if target.is_local else 2.0
