"""What a deploy would do, and whether it can: everything that can be refused is refused here, before anything is made."""

# ruff: noqa: E501  (messages stay on one line, so that they can be found)

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from local_region.cloudformation.errors import TemplateError
from local_region.cloudformation.intrinsics import is_known, resolve
from local_region.cloudformation.resources import handler_of, registry
from local_region.cloudformation.scope import StackScope
from local_region.cloudformation.stacks import Change, Definition, Stack, StackResource
from local_region.cloudformation.template import Resource, transforms
from local_region.ports import AwsError, Json, RegionConfig

_IAM = {"AWS::IAM::Role": "RoleName", "AWS::IAM::ManagedPolicy": "ManagedPolicyName", "AWS::IAM::Policy": None}
_DYNAMIC = "{{resolve:"


def pseudo_parameters(config: RegionConfig, stack_name: str, stack_id: str) -> Json:
    return {
        "AWS::AccountId": config.account_id,
        "AWS::NotificationARNs": [],
        "AWS::Partition": config.partition,
        "AWS::Region": config.region_name,
        "AWS::StackId": stack_id,
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": "amazonaws.com",
    }


def check_types(definition: Definition) -> None:
    """``TemplateError`` naming every resource type that the region can't make."""
    unknown = sorted({item.type for item in definition.template.resources.values() if handler_of(item.type) is None})
    if unknown:
        raise TemplateError(
            f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]. "
            f"The local region makes {', '.join(sorted(registry()))}."
        )


def check_capabilities(definition: Definition) -> None:
    """``InsufficientCapabilitiesException`` as CloudFormation raises it when IAM resources aren't acknowledged."""
    given = set(definition.capabilities)
    iam = [item for item in definition.template.resources.values() if item.type in _IAM]
    named = [item for item in iam if _IAM[item.type] in item.properties]
    if named and "CAPABILITY_NAMED_IAM" not in given:
        raise AwsError("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]")
    if iam and not given & {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"}:
        raise AwsError("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")


def check_expand(definition: Definition) -> None:
    """CreateStack and UpdateStack ask for the acknowledgement of transforms; a change set can be looked at instead."""
    if transforms(definition.raw) and "CAPABILITY_AUTO_EXPAND" not in definition.capabilities:
        raise AwsError("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]")


def plan(
    definition: Definition, stack: Stack, config: RegionConfig, find_export: Callable[[str], str | None]
) -> list[Change]:
    """The changes from ``stack`` as it is to ``definition``, in the order they would be made.

    ``TemplateError`` names every property, value or output that the region can't honour.
    """
    check_types(definition)
    known = {
        name: resource.made
        for name, resource in stack.resources.items()
        if name in definition.template.resources and definition.template.resources[name].type == resource.type
    }
    pseudo = pseudo_parameters(config, stack.name, stack.id)
    scope = StackScope(definition.template, definition.parameters, pseudo, dict(known), find_export)
    changes, problems = [], []
    active = scope.active()
    for name in definition.template.sequence(active):
        properties = resolve(active[name].properties, scope)
        problems += list(_problems(active[name], properties))
        change = _change(active[name], stack.resources.get(name), properties)
        if change is not None:
            changes.append(change)
            if change.action == "Add" or change.replacement in ("True", "Conditional"):
                scope.made.pop(name, None)
    if problems:
        raise TemplateError(" ".join(problems))
    resolve_outputs(scope)
    gone = [resource for name, resource in stack.resources.items() if name not in active]
    changes += [Change("Remove", item.logical_id, item.type, item.made.physical_id) for item in reversed(gone)]
    return changes


def _problems(resource: Resource, properties: Json) -> Iterator[str]:
    handler = handler_of(resource.type)
    if handler is not None:
        yield from handler.problems(resource.logical_id, properties)
    if _mentions(properties, _DYNAMIC):
        yield f"Resource {resource.logical_id}: dynamic references ({_DYNAMIC}…}}}}) are not supported by the local region; pass a parameter."


def _mentions(value: Any, text: str) -> bool:
    if isinstance(value, str):
        return text in value
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_mentions(item, text) for item in items)


def _change(resource: Resource, existing: StackResource | None, properties: Json) -> Change | None:
    name = resource.logical_id
    if existing is None:
        return Change("Add", name, resource.type)
    if existing.type != resource.type:
        raise TemplateError(
            f"Update of resource type is not permitted. The new template modifies resource type of the following resources: [{name}]"
        )
    differing = changed_properties(existing.properties, properties)
    if not differing:
        return None
    replacement = replacement_of(resource.type, differing, properties)
    return Change("Modify", name, resource.type, existing.made.physical_id, replacement, tuple(differing))


def changed_properties(old: Json, new: Json) -> list[str]:
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def replacement_of(kind: str, differing: list[str], new: Json) -> Literal["True", "False", "Conditional"]:
    handler = handler_of(kind)
    assert handler is not None  # check_types has run
    replacing = [name for name in differing if name in handler.replaces]
    if not replacing:
        return "False"
    return "True" if any(is_known(new.get(name)) for name in replacing) else "Conditional"


def resolve_outputs(scope: StackScope) -> list[tuple[str, Json]]:
    """Names and members (Value, Description, Export) of the outputs whose condition holds, resolved."""
    answer = []
    for name, spec in scope.template.outputs.items():
        if "Condition" in spec and not scope.condition(spec["Condition"]):
            continue
        resolved = {key: resolve(value, scope) for key, value in spec.items() if key != "Condition"}
        if isinstance(resolved["Value"], dict | list):
            raise TemplateError(
                f"Template format error: Output {name} is malformed. The Value field of every Outputs member must evaluate to a String."
            )
        answer.append((name, resolved))
    return answer
