"""Answers against botocore's output shapes: members that the shape doesn't know, required ones that aren't there,
values of another type or outside an enum. botocore itself drops and forgives them; other SDKs don't.

    watch(client)        # every answer of the client is checked from now on; a deviation is an AssertionError
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

#: of XML's members, those that are somewhere else than in the body
_ELSEWHERE = frozenset({"header", "headers", "statusCode"})
#: CloudFormation says it of a stack's own events, though its model doesn't
_UNLISTED = frozenset({"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"})
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "character": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float, str),  # NaN and Infinity are texts
    "double": (int, float, str),
    "timestamp": (int, float, str),
}


def watch(client: Any) -> None:
    client.meta.events.register("before-parse.*.*", _check)


def _check(response_dict: Mapping[str, Any], operation_model: OperationModel, **_: Any) -> None:
    if response_dict["status_code"] < 300:
        found = list(deviations(response_dict, operation_model))
        assert not found, f"{operation_model.service_model.service_name} {operation_model.name}: {'; '.join(found)}"


def deviations(response: Mapping[str, Any], operation: OperationModel) -> Iterator[str]:
    """Of a successful HTTP answer (``status_code``, ``headers``, ``body`` as botocore has them)."""
    output, protocol, body = operation.output_shape, operation.service_model.protocol, response["body"]
    if output is None:
        return
    shape: Any = output
    headers = {name.lower() for name in response["headers"]}
    for name, member in shape.members.items():
        if member.serialization.get("location") != "header" or name not in shape.required_members:
            continue
        if member.serialization["name"].lower() not in headers:
            yield f"the header of {name} is missing"
    payload = shape.serialization.get("payload")
    if payload is not None:
        shape = shape.members[payload]
        if not isinstance(shape, StructureShape) or shape.serialization.get("eventstream"):
            return
    if protocol in {"json", "rest-json"}:
        yield from _json(json.loads(body or b"{}"), shape, "")
    elif protocol == "rest-xml" and body:
        yield from _xml(ElementTree.fromstring(body), shape, "")
    elif protocol == "query":
        wrapper = shape.serialization.get("resultWrapper")
        root = ElementTree.fromstring(body)
        results = [child for child in root if _tag(child) == wrapper]
        yield from (f"{_tag(child)} beside {wrapper}" for child in root if _tag(child) not in {wrapper, _METADATA})
        yield from _xml(results[0] if results else ElementTree.Element("none"), shape, "")


_METADATA = "ResponseMetadata"


def _json(value: Any, shape: Any, path: str) -> Iterator[str]:
    if value is None or getattr(shape, "is_document_type", False):
        return
    kind = shape.type_name
    right = isinstance(value, _JSON_TYPES.get(kind, (object,))) and (kind == "boolean" or not isinstance(value, bool))
    if not right:
        yield f"{path} is no {kind}: {value!r}"
    elif isinstance(shape, StructureShape):
        members = {
            member.serialization.get("name", name): member
            for name, member in shape.members.items()
            if not member.serialization.get("location")
        }
        for name, item in value.items():
            if name in members:
                yield from _json(item, members[name], f"{path}.{name}")
            elif name != "__type":
                yield f"{path}.{name} is unknown"
        for name in shape.required_members:
            member = shape.members[name]
            if not member.serialization.get("location") and value.get(member.serialization.get("name", name)) is None:
                yield f"{path}.{name} is missing"
    elif isinstance(shape, ListShape):
        for item in value:
            yield from _json(item, shape.member, f"{path}[]")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _json(item, shape.value, f"{path}.{key}")
    elif kind == "string":
        yield from _enum(value, shape, path)


def _xml(element: ElementTree.Element, shape: Shape, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        members: dict[str, tuple[str, Shape]] = {}
        for name, member in shape.members.items():
            if member.serialization.get("location") not in _ELSEWHERE:
                members[_wire_name(name, member)] = name, member
        for child in element:
            if _tag(child) not in members:
                yield f"{path}.{_tag(child)} is unknown"
                continue
            name, member = members[_tag(child)]
            flat = bool(member.serialization.get("flattened"))
            if not (flat and isinstance(member, MapShape)):
                inner = member.member if flat and isinstance(member, ListShape) else member
                yield from _xml(child, inner, f"{path}.{name}")
        told = {members[_tag(child)][0] for child in element if _tag(child) in members}
        for name in shape.required_members:
            if not shape.members[name].serialization.get("location") and name not in told:
                yield f"{path}.{name} is missing"
    elif isinstance(shape, ListShape):
        for child in element:
            if _tag(child) != shape.member.serialization.get("name", "member"):
                yield f"{path} has an item {_tag(child)}"
            yield from _xml(child, shape.member, f"{path}[]")
    elif shape.type_name == "string":
        yield from _enum(element.text or "", shape, path)
    elif shape.type_name == "boolean" and element.text not in {"true", "false"}:
        yield f"{path} is no boolean: {element.text!r}"
    elif shape.type_name in {"integer", "long"} and not (element.text or "").lstrip("-").isdigit():
        yield f"{path} is no number: {element.text!r}"


def _wire_name(name: str, member: Shape) -> str:
    if isinstance(member, ListShape) and member.serialization.get("flattened"):
        return str(member.serialization.get("name") or member.member.serialization.get("name", name))
    return str(member.serialization.get("name", name))


def _enum(value: str, shape: Shape, path: str) -> Iterator[str]:
    choices = shape.metadata.get("enum")
    if choices and value not in choices and value not in _UNLISTED:
        yield f"{path} is {value!r}, none of {', '.join(choices[:8])}"


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
