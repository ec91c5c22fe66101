"""botocore's models of the services that the region implements itself, cut down to the operations that it has.

SageMaker's whole model is tens of megabytes as Python objects; without documentation and with only our operations'
shapes it is a few.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from botocore.loaders import Loader
from moto.core.model import OperationModel, ServiceModel

_LABEL = re.compile(r"\\\{([^}+]+?)(\\\+)?\\\}")


@dataclass(frozen=True)
class Route:
    """How a REST operation is recognized: method, path and the query arguments that its URI fixes."""

    operation: str
    method: str
    pattern: re.Pattern[str]
    query: tuple[tuple[str, str], ...]
    literals: int


class ServiceDescription:
    """One service: its protocol, its routes (of all operations, so that a refusal can name one) and its model."""

    def __init__(self, service: str, operations: Collection[str]) -> None:
        document = Loader().load_service_model(service, "service-2")
        metadata = document["metadata"]
        self.service = service
        self.protocol: str = metadata["protocol"]
        self.target_prefix: str | None = metadata.get("targetPrefix")
        self.all_operations = frozenset(document["operations"])
        unknown = set(operations) - self.all_operations
        if unknown:
            raise ValueError(f"botocore's model of {service} has no operation {', '.join(sorted(unknown))}")
        self.routes = _routes(document["operations"]) if self.protocol.startswith("rest") else ()
        self._model = ServiceModel(cut(document, operations), service)

    def operation(self, name: str) -> OperationModel:
        model: OperationModel = self._model.operation_model(name)
        return model

    def match(self, method: str, raw_path: str, query: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
        """The REST operation of a request, and the labels of its path (decoded), or None."""
        path = raw_path.rstrip("/") or "/"
        for route in self.routes:
            if route.method != method or any(query.get(name) != value for name, value in route.query):
                continue
            found = route.pattern.fullmatch(path)
            if found:
                labels = {_label(name): unquote(value) for name, value in found.groupdict().items()}
                return route.operation, labels
        return None


def cut(document: Mapping[str, Any], operations: Collection[str]) -> dict[str, Any]:
    """A copy of a service model with only these operations, the shapes that they reach, and no documentation."""
    kept = {name: document["operations"][name] for name in operations}
    shapes = document["shapes"]
    reached: dict[str, Any] = {}
    open_names = list(_references(kept.values()))
    while open_names:
        name = open_names.pop()
        if name not in reached:
            reached[name] = _undocumented(shapes[name])
            open_names.extend(_references([shapes[name]]))
    return {
        "version": document.get("version", "2.0"),
        "metadata": dict(document["metadata"]),
        "operations": {name: _undocumented(value) for name, value in kept.items()},
        "shapes": reached,
    }


def _references(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        if isinstance(value, dict):
            name = value.get("shape")
            if isinstance(name, str):
                yield name
            yield from _references(value.values())
        elif isinstance(value, list):
            yield from _references(value)


def _undocumented(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _undocumented(item)
            for name, item in value.items()
            # A member may be *called* documentation; then it is an object.
            if not (name == "documentation" and isinstance(item, str))
        }
    if isinstance(value, list):
        return [_undocumented(item) for item in value]
    return value


def _routes(operations: Mapping[str, Any]) -> tuple[Route, ...]:
    routes = []
    for name, operation in operations.items():
        path, _, query = operation["http"]["requestUri"].partition("?")
        pairs = tuple((key, value) for key, _, value in (part.partition("=") for part in query.split("&") if part))
        text = re.escape(path.rstrip("/") or "/")
        pattern = _LABEL.sub(lambda m: f"(?P<{_group(m[1])}>{'.+' if m[2] else '[^/]+'})", text)
        literals = len(re.sub(r"\{[^}]*\}", "", path))
        routes.append(Route(name, operation["http"]["method"], re.compile(pattern), pairs, literals))
    # The most specific first: fixed query arguments, then the longest fixed path.
    return tuple(sorted(routes, key=lambda route: (-len(route.query), -route.literals)))


def _group(label: str) -> str:
    return "l_" + label.replace("\\", "").replace("-", "__")


def _label(group: str) -> str:
    return group.removeprefix("l_").replace("__", "-")
