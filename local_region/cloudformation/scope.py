"""What a stack's functions can see: its parameters, resources, conditions, and the exports of other stacks."""

# ruff: noqa: E501  (messages stay on one line, so that they can be found)

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from local_region.cloudformation import intrinsics
from local_region.cloudformation.errors import TemplateError
from local_region.cloudformation.parameters import MASK, Parameter
from local_region.cloudformation.template import Template
from local_region.ports import Json


@dataclass(frozen=True)
class Made:
    """A resource that exists. ``physical_id`` is what Ref answers; ``attributes`` what GetAtt answers."""

    physical_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class StackScope:
    """``intrinsics.Scope`` for one template in one stack. A resource that isn't in ``made`` is unknown."""

    template: Template
    parameters: Mapping[str, Parameter]
    pseudo: Json
    made: dict[str, Made]
    find_export: Callable[[str], str | None] = lambda _name: None
    imported: set[str] = field(default_factory=set)
    _conditions: dict[str, bool] = field(default_factory=dict)

    @property
    def mappings(self) -> Json:
        return self.template.mappings

    @property
    def language_extensions(self) -> bool:
        return self.template.language_extensions

    def ref(self, name: str) -> Any:
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.parameters:
            return self.parameters[name].value
        made = self._resource(name)
        return made.physical_id if made else intrinsics.UNKNOWN

    def attribute(self, name: str, attribute: str) -> Any:
        made = self._resource(name)
        if made is None:
            return intrinsics.UNKNOWN
        if attribute not in made.attributes:
            raise TemplateError(f"Template error: resource {name} has no value for attribute {attribute}")
        return made.attributes[attribute]

    def _resource(self, name: str) -> Made | None:
        resource = self.template.resources.get(name)
        if resource is None or (resource.condition and not self.condition(resource.condition)):
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{name}] in the Resources block of the template"
            )
        return self.made.get(name)

    def condition(self, name: str) -> bool:
        if name not in self._conditions:
            value = intrinsics.resolve(self.template.conditions[name], self)
            self._conditions[name] = value if isinstance(value, bool) else str(value).lower() == "true"
        return self._conditions[name]

    def exported(self, name: str) -> str:
        value = self.find_export(name)
        if value is None:
            raise TemplateError(f"No export named {name} found.")
        self.imported.add(name)
        return value

    def masked(self) -> StackScope | None:
        """The same with ``****`` for the values of NoEcho parameters, but conditions as they are; None without any."""
        if not any(parameter.no_echo for parameter in self.parameters.values()):
            return None
        hidden = {
            name: replace(item, value=[MASK] if isinstance(item.value, list) else MASK) if item.no_echo else item
            for name, item in self.parameters.items()
        }
        return replace(self, parameters=hidden)

    def zones(self, region: str) -> list[str]:
        return [f"{region or self.pseudo['AWS::Region']}{letter}" for letter in "abc"]

    def active(self) -> dict[str, Any]:
        """The resources whose condition holds."""
        return {
            name: resource
            for name, resource in self.template.resources.items()
            if not resource.condition or self.condition(resource.condition)
        }
