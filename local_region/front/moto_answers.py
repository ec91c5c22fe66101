"""DynamoDB's items in answers, written as they are.

moto hands its serializer items in their wire form already (``{"S": "…"}``), binary values aside. For each of them the
serializer still tries every type and every way to spell its name, which takes most of the time of a read: 20 ms for an
item of 4 KB. A run of a model reads a hundred.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any


@cache
def install() -> None:
    """Put the short way in the place of moto's, once in a process."""
    from moto.core.serialize import BaseJSONSerializer

    whole = BaseJSONSerializer._serialize_type_structure

    def serialize(self: Any, serialized: dict[str, Any], value: Any, shape: Any, key: str) -> None:
        if shape.name == "AttributeValue" and self.operation_model.service_model.service_name == "dynamodb":
            serialized[key] = on_the_wire(value)
        else:
            whole(self, serialized, value, shape, key)

    setattr(BaseJSONSerializer, "_serialize_type_structure", serialize)  # noqa: B010 (a method of moto's class)


def on_the_wire(value: Mapping[str, Any]) -> dict[str, Any]:
    """An attribute's value as DynamoDB writes it in JSON: bytes in base64, numbers as texts.

    >>> on_the_wire({"L": [{"N": 1}, {"M": {"picture": {"B": b"abc"}}}]})
    {'L': [{'N': '1'}, {'M': {'picture': {'B': 'YWJj'}}}]}
    """
    return {kind: _content(kind, content) for kind, content in value.items() if content is not None}


def _content(kind: str, content: Any) -> Any:
    match kind:
        case "M":
            return {name: on_the_wire(inner) for name, inner in content.items()}
        case "L":
            return [on_the_wire(inner) for inner in content]
        case "B":
            return _base64(content)
        case "BS":
            return [_base64(inner) for inner in content]
        case "N":
            return str(content)
        case "NS":
            return [str(inner) for inner in content]
    return content


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
