"""Stacks, events, resources and change sets in the shapes that CloudFormation's API answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from local_region.cloudformation.errors import validation_error
from local_region.cloudformation.stacks import Change, ChangeSet, Definition, Event, Stack, StackResource
from local_region.ports import Json


def _present(**members: Any) -> Json:
    return {name: value for name, value in members.items() if value is not None}


def page(items: Sequence[Any], token: str | None, size: int = 100) -> tuple[list[Any], Json]:
    """One page of a stable list, and the ``NextToken`` member when there is more."""
    try:
        start = int(token or 0)
    except ValueError as error:
        raise validation_error(f"NextToken {token} is not valid.") from error
    end = start + size
    return list(items[start:end]), {"NextToken": str(end)} if end < len(items) else {}


def newest_first(events: Sequence[Event], token: str | None, size: int = 100) -> tuple[list[Event], Json]:
    """A page of events; its token counts from the oldest, so events that come meanwhile don't shift the pages."""
    try:
        end = len(events) if token is None else int(token)
    except ValueError as error:
        raise validation_error(f"NextToken {token} is not valid.") from error
    start = max(0, end - size)
    return list(reversed(events[start:end])), {"NextToken": str(start)} if start else {}


def parameters(definition: Definition | None) -> list[Json]:
    return [item.described() for item in definition.parameters.values()] if definition else []


def tags(definition: Definition | None) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in definition.tags] if definition else []


def description(definition: Definition | None) -> str | None:
    return definition.template.raw.get("Description") if definition else None


def stack(item: Stack) -> Json:
    return _present(
        StackId=item.id,
        StackName=item.name,
        ChangeSetId=item.change_set_id,
        Description=description(item.definition),
        Parameters=parameters(item.definition),
        CreationTime=item.created,
        LastUpdatedTime=item.updated,
        DeletionTime=item.deleted,
        RollbackConfiguration={},
        StackStatus=item.status,
        StackStatusReason=item.reason,
        DisableRollback=item.disable_rollback,
        NotificationARNs=[],
        Capabilities=list(item.definition.capabilities) if item.definition else [],
        Outputs=item.outputs,
        RoleARN=item.definition.role_arn if item.definition else None,
        Tags=tags(item.definition),
        EnableTerminationProtection=False,
        DriftInformation={"StackDriftStatus": "NOT_CHECKED"},
    )


def summary(item: Stack) -> Json:
    return _present(
        StackId=item.id,
        StackName=item.name,
        TemplateDescription=description(item.definition),
        CreationTime=item.created,
        LastUpdatedTime=item.updated,
        DeletionTime=item.deleted,
        StackStatus=item.status,
        StackStatusReason=item.reason,
        DriftInformation={"StackDriftStatus": "NOT_CHECKED"},
    )


def event(item: Event, owner: Stack) -> Json:
    return _present(
        StackId=owner.id,
        EventId=item.id,
        StackName=owner.name,
        LogicalResourceId=item.logical_id,
        PhysicalResourceId=item.physical_id,
        ResourceType=item.type,
        Timestamp=item.at,
        ResourceStatus=item.status,
        ResourceStatusReason=item.reason,
        ResourceProperties=item.properties,
        ClientRequestToken=item.token,
    )


def resource(item: StackResource) -> Json:
    return _present(
        LogicalResourceId=item.logical_id,
        PhysicalResourceId=item.made.physical_id,
        ResourceType=item.type,
        Timestamp=item.at,
        ResourceStatus=item.status,
        ResourceStatusReason=item.reason,
        DriftInformation={"StackResourceDriftStatus": "NOT_CHECKED"},
    )


def resource_summary(item: StackResource) -> Json:
    answer = resource(item)
    answer["LastUpdatedTimestamp"] = answer.pop("Timestamp")
    return answer


def resource_detail(item: StackResource, owner: Stack) -> Json:
    return {
        **resource_summary(item),
        "StackName": owner.name,
        "StackId": owner.id,
        "Metadata": json.dumps(item.metadata),
    }


def change(item: Change) -> Json:
    details = [
        {
            "Target": {
                "Attribute": "Properties",
                "Name": name,
                "RequiresRecreation": "Never" if item.replacement == "False" else "Conditionally",
            },
            "Evaluation": "Dynamic",
            "ChangeSource": "DirectModification",
        }
        for name in item.properties
    ]
    return {
        "Type": "Resource",
        "ResourceChange": _present(
            Action=item.action,
            LogicalResourceId=item.logical_id,
            PhysicalResourceId=item.physical_id,
            ResourceType=item.type,
            Replacement=item.replacement,
            Scope=["Properties"] if item.action == "Modify" else [],
            Details=details,
        ),
    }


def change_set(item: ChangeSet, owner: Stack) -> Json:
    return {
        **_present(
            Description=item.description,
            StatusReason=item.reason,
            Parameters=parameters(item.definition),
            OnStackFailure=item.on_failure,
        ),
        **_heading(item, owner),
        "CreationTime": item.created,
        "NotificationARNs": [],
        "RollbackConfiguration": {},
        "Capabilities": list(item.definition.capabilities)
        if item.definition
        else item.requested.get("Capabilities") or [],
        "Tags": tags(item.definition),
        "IncludeNestedStacks": False,
    }


def change_set_summary(item: ChangeSet, owner: Stack) -> Json:
    optional = _present(Description=item.description, StatusReason=item.reason)
    return {**_heading(item, owner), **optional, "CreationTime": item.created, "IncludeNestedStacks": False}


def _heading(item: ChangeSet, owner: Stack) -> Json:
    return {
        "ChangeSetName": item.name,
        "ChangeSetId": item.id,
        "StackId": owner.id,
        "StackName": owner.name,
        "ExecutionStatus": item.execution_status,
        "Status": item.status,
    }


def template_summary(raw: Json, needed: Sequence[str], resource_types: Sequence[str]) -> Json:
    declared = []
    for name, spec in (raw.get("Parameters") or {}).items():
        constraints = (
            {"AllowedValues": [str(value) for value in spec["AllowedValues"]]} if "AllowedValues" in spec else {}
        )
        default = spec.get("Default")
        declared.append(
            _present(
                ParameterKey=name,
                ParameterType=spec["Type"],
                DefaultValue=None if default is None else str(default),
                NoEcho=str(spec.get("NoEcho", "false")).lower() == "true",
                Description=spec.get("Description"),
                ParameterConstraints=constraints,
            )
        )
    transform = raw.get("Transform") or []
    return _present(
        Parameters=declared,
        Description=raw.get("Description"),
        Capabilities=list(needed) or None,
        CapabilitiesReason=_reason(needed, resource_types),
        ResourceTypes=list(resource_types),
        Version=raw.get("AWSTemplateFormatVersion"),
        Metadata=json.dumps(raw["Metadata"]) if raw.get("Metadata") else None,
        DeclaredTransforms=transform if isinstance(transform, list) else [transform],
    )


def _reason(needed: Sequence[str], resource_types: Sequence[str]) -> str | None:
    iam = [name for name in resource_types if name.startswith("AWS::IAM::")]
    return f"The following resource(s) require capabilities: [{', '.join(iam)}]" if needed and iam else None
