"""A template that has been checked as far as it can be without making anything."""

# ruff: noqa: E501  (messages stay on one line, so that they can be found)

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_region.cloudformation import intrinsics, parameters
from local_region.cloudformation.errors import TemplateError
from local_region.cloudformation.graph import order
from local_region.ports import Json

SAM = "AWS::Serverless-2016-10-31"
LANGUAGE_EXTENSIONS = "AWS::LanguageExtensions"
_SECTIONS = frozenset(
    [
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Parameters",
        "Rules",
        "Mappings",
        "Conditions",
        "Transform",
        "Resources",
        "Outputs",
        "Globals",
    ]
)
_RESOURCE_KEYS = frozenset(
    [
        "Type",
        "Properties",
        "DependsOn",
        "Condition",
        "DeletionPolicy",
        "UpdateReplacePolicy",
        "Metadata",
        "Connectors",
        "IgnoreGlobals",
    ]
)
_POLICIES = frozenset({"Delete", "Retain", "RetainExceptOnCreate"})
_PSEUDO = frozenset(
    f"AWS::{name}"
    for name in ["AccountId", "NoValue", "NotificationARNs", "Partition", "Region", "StackId", "StackName", "URLSuffix"]
)
#: AWS CloudFormation quotas, bytes and counts
MAXIMUM_BODY, MAXIMUM_RESOURCES, MAXIMUM_OUTPUTS, MAXIMUM_MAPPINGS = 1_000_000, 500, 200, 200


@dataclass(frozen=True)
class Resource:
    logical_id: str
    type: str
    properties: Json
    condition: str | None = None
    depends_on: tuple[str, ...] = ()
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    metadata: Json = field(default_factory=dict)

    def needs(self) -> list[str]:
        """Logical ids (and parameters) this resource refers to or depends on, each once."""
        found = [reference.name for reference in intrinsics.references(self.properties)]
        return list(dict.fromkeys([*self.depends_on, *found]))


@dataclass(frozen=True)
class Template:
    """A processed template (no transform left to run)."""

    raw: Json
    resources: dict[str, Resource]
    language_extensions: bool

    @property
    def parameters(self) -> Json:
        return self.raw.get("Parameters") or {}

    @property
    def conditions(self) -> Json:
        return self.raw.get("Conditions") or {}

    @property
    def mappings(self) -> Json:
        return self.raw.get("Mappings") or {}

    @property
    def outputs(self) -> Json:
        return self.raw.get("Outputs") or {}

    def sequence(self, active: Mapping[str, Resource]) -> list[str]:
        """Logical ids of the ``active`` resources, dependencies first."""
        return order({name: [need for need in resource.needs() if need in active] for name, resource in active.items()})


def transforms(raw: Json) -> list[str]:
    """Names of the transforms that a raw template asks for. ``TemplateError`` for one the region doesn't have."""
    declared = raw.get("Transform") or []
    names = declared if isinstance(declared, list) else [declared]
    for name in names:
        if name not in (SAM, LANGUAGE_EXTENSIONS):
            shown = name.get("Name") if isinstance(name, dict) else name
            raise TemplateError(
                f"The transform {shown} is not supported by the local region; supported are {SAM} and {LANGUAGE_EXTENSIONS}."
            )
    return [str(name) for name in names]


def check_sections(raw: Json) -> None:
    """The outermost shape, for original and processed templates."""
    unknown = sorted(set(raw) - _SECTIONS)
    if unknown:
        raise TemplateError(f"Invalid template property or properties [{', '.join(unknown)}]")
    if "Rules" in raw:
        raise TemplateError("The template section Rules is not supported by the local region.")
    version = raw.get("AWSTemplateFormatVersion", "2010-09-09")
    if str(version) != "2010-09-09":
        raise TemplateError("Template format error: unsupported value for AWSTemplateFormatVersion.")
    for section in ("Parameters", "Mappings", "Conditions", "Outputs", "Resources", "Metadata", "Globals"):
        if raw.get(section) is not None and not isinstance(raw[section], dict):
            raise TemplateError(f"Template format error: {section} must be an object.")
    resources = raw.get("Resources")
    if not resources:
        raise TemplateError("Template format error: At least one Resources member must be defined.")
    for section, limit in (
        ("Resources", MAXIMUM_RESOURCES),
        ("Outputs", MAXIMUM_OUTPUTS),
        ("Mappings", MAXIMUM_MAPPINGS),
    ):
        count = len(raw.get(section) or {})
        if count > limit:
            raise TemplateError(
                f"Template format error: Number of {section.lower()}, {count}, is greater than maximum allowed, {limit}"
            )
    for logical_id, resource in resources.items():
        if not logical_id.isalnum():
            raise TemplateError(f"Template format error: Resource name {logical_id} is non alphanumeric.")
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise TemplateError(
                f"Template format error: [/Resources/{logical_id}] Every Resources object must contain a Type member."
            )
    parameters.check_declarations(raw.get("Parameters") or {})


def parse(raw: Json) -> Template:
    """Check and read a processed template. ``TemplateError`` in CloudFormation's words for what is wrong with it."""
    check_sections(raw)
    names = transforms(raw)
    resources = {name: _resource(name, spec) for name, spec in raw["Resources"].items()}
    template = Template(raw, resources, LANGUAGE_EXTENSIONS in names)
    _check_conditions(template)
    _check_references(template)
    _check_outputs(template)
    template.sequence(resources)
    return template


def _resource(logical_id: str, spec: Json) -> Resource:
    unknown = sorted(set(spec) - _RESOURCE_KEYS)
    if unknown:
        raise TemplateError(
            f"Resource {logical_id} has the attribute {unknown[0]}, which the local region does not support."
        )
    depends = spec.get("DependsOn") or []
    properties = spec.get("Properties") or {}
    if not isinstance(properties, dict):
        raise TemplateError(f"Template format error: [/Resources/{logical_id}/Properties] must be an object.")
    policies = [str(spec.get(key, "Delete")) for key in ("DeletionPolicy", "UpdateReplacePolicy")]
    for policy in policies:
        if policy not in _POLICIES:
            raise TemplateError(
                f"Resource {logical_id} has the policy {policy}; the local region supports {', '.join(sorted(_POLICIES))}."
            )
    return Resource(
        logical_id,
        spec["Type"],
        properties,
        spec.get("Condition"),
        tuple(depends) if isinstance(depends, list) else (str(depends),),
        policies[0],
        policies[1],
        spec.get("Metadata") or {},
    )


def _check_conditions(template: Template) -> None:
    declared = template.conditions
    used: list[Any] = [resource.condition for resource in template.resources.values() if resource.condition]
    used += intrinsics.conditions_used([resource.properties for resource in template.resources.values()])
    used += intrinsics.conditions_used(list(declared.values()))
    for spec in template.outputs.values():
        used += [spec["Condition"]] if isinstance(spec, dict) and "Condition" in spec else []
        used += intrinsics.conditions_used(spec.get("Value") if isinstance(spec, dict) else None)
    missing = sorted({name for name in used if name not in declared})
    if missing:
        raise TemplateError(f"Template format error: Unresolved condition dependency {missing[0]}.")
    for name, expression in declared.items():
        for reference in intrinsics.references(expression):
            if reference.name not in template.parameters:
                raise TemplateError(
                    f"Template format error: Unresolved dependencies [{reference.name}]. "
                    f"Cannot reference resources in the Conditions block of the template (condition {name})"
                )
    order_of = {name: list(intrinsics.conditions_used(expression)) for name, expression in declared.items()}
    try:
        order(order_of)
    except TemplateError as error:
        raise TemplateError(str(error).replace("between resources", "between conditions")) from error


def _places(template: Template) -> Iterator[tuple[str, Any]]:
    for logical_id, resource in template.resources.items():
        yield f"in resource {logical_id}", resource.properties
    for name, spec in template.outputs.items():
        yield f"in output {name}", spec


def _check_references(template: Template) -> None:
    from local_region.cloudformation.resources import handler_of  # the registry imports this package's words

    known = set(template.resources) | set(template.parameters)
    for resource in template.resources.values():
        for name in resource.depends_on:
            if name not in template.resources:
                raise TemplateError(
                    f"Template format error: Unresolved resource dependencies [{name}] in the Resources block of the template"
                )
    for place, value in _places(template):
        block = "Outputs" if place.startswith("in output") else "Resources"
        for reference in intrinsics.references(value):
            if reference.attribute is None:
                if reference.name not in known:
                    raise TemplateError(
                        f"Template format error: Unresolved resource dependencies [{reference.name}] in the {block} block of the template"
                    )
                continue
            resource_used = template.resources.get(reference.name)
            if resource_used is None:
                raise TemplateError(
                    f"Template error: instance of Fn::GetAtt references undefined resource {reference.name}"
                )
            handler = handler_of(resource_used.type)
            if handler is not None and reference.attribute not in handler.attributes:
                raise TemplateError(
                    f"Template error: resource {reference.name} does not support attribute type {reference.attribute} in Fn::GetAtt"
                )
        _check_pseudo(place, value)


def _check_pseudo(place: str, value: Any) -> None:
    call = intrinsics.call_of(value)
    if call is not None and call[0] == "Ref" and str(call[1]).startswith("AWS::") and call[1] not in _PSEUDO:
        raise TemplateError(f"The pseudo parameter {call[1]} ({place}) is not known.")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_pseudo(place, item)


def _check_outputs(template: Template) -> None:
    for name, spec in template.outputs.items():
        if not isinstance(spec, dict) or "Value" not in spec:
            raise TemplateError(
                f"Template format error: Output {name} is malformed. Every Outputs member must contain a Value object"
            )
        unknown = sorted(set(spec) - {"Value", "Description", "Export", "Condition"})
        if unknown:
            raise TemplateError(f"Template format error: Invalid property [{unknown[0]}] in output {name}")
