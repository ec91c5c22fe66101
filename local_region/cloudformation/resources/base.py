"""What every resource type answers, and the few things all of them need."""

# Handlers share one signature; not every one needs all of it. Messages stay on one line.
# ruff: noqa: ARG002, E501

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_region.cloudformation.errors import ResourceFailure
from local_region.cloudformation.intrinsics import is_known
from local_region.cloudformation.scope import Made
from local_region.ports import Json, Region

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True)
class Env:
    """Where a resource is being made: which region, stack and logical id.

    ``seed`` makes generated names stable: the same for one life of one resource, different after a replacement.
    """

    region: Region
    stack_name: str
    stack_id: str
    logical_id: str
    seed: str

    def random(self, length: int, alphabet: str = _ALPHABET) -> str:
        digest = int.from_bytes(hashlib.sha256(f"{self.seed}/{self.logical_id}".encode()).digest(), "big")
        characters = []
        for _ in range(length):
            digest, index = divmod(digest, len(alphabet))
            characters.append(alphabet[index])
        return "".join(characters)

    def name(self, limit: int = 255, *, lower: bool = False) -> str:
        """``<stack>-<LogicalId>-<RANDOM>``, cut in front of the random part to fit ``limit`` characters."""
        head = f"{self.stack_name}-{self.logical_id}"[: limit - 13].rstrip("-")
        name = f"{head}-{self.random(12)}"
        return name.lower() if lower else name

    def arn(self, service: str, resource: str, *, regional: bool = True, account: bool = True) -> str:
        config = self.region.config
        place = config.region_name if regional else ""
        owner = config.account_id if account else ""
        return f"arn:{config.partition}:{service}:{place}:{owner}:{resource}"

    def call(self, service: str, method: str, **params: Any) -> Json:
        """A boto3 call onto the region; ``params`` are converted to the types that the operation declares."""
        client = self.region.client(service)
        answer: Json = getattr(client, method)(**self.typed(service, method, params))
        return answer

    def typed(self, service: str, method: str, params: Mapping[str, Any]) -> Json:
        """Text to numbers and booleans as the operation's input shape says: a template's parameters are all text."""
        client = self.region.client(service)
        shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
        converted: Json = convert(dict(params), shape)
        return converted


@contextmanager
def undone_by(undo: Callable[[], object]) -> Iterator[None]:
    """For creations of several steps: when a later step fails, ``undo`` takes the first back, and the failure goes on."""
    try:
        yield
    except Exception:
        undo()
        raise


def convert(value: Any, shape: Shape | None) -> Any:
    """``value`` with text where ``shape`` has numbers or booleans turned into those, and scalars into text where it has text.

    ``ResourceFailure`` when the text isn't one.
    """
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {key: convert(item, shape.members.get(key)) for key, item in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [convert(item, shape.member) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: convert(item, shape.value) for key, item in value.items()}
    if shape is None or isinstance(value, dict | list):
        return value
    if shape.type_name in ("integer", "long"):
        return integer(value)
    if shape.type_name in ("double", "float"):
        return number(value)
    if shape.type_name == "boolean":
        return boolean(value)
    if shape.type_name == "string" and isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ResourceFailure(f"{value!r} is not a number") from error


def integer(value: Any) -> int:
    whole = number(value)
    if whole != int(whole):
        raise ResourceFailure(f"{value!r} is not a whole number")
    return int(whole)


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise ResourceFailure(f"{value!r} is not a boolean")


def only(properties: Mapping[str, Any], names: str | frozenset[str]) -> Json:
    """The members of ``properties`` that are in ``names``."""
    wanted = words(names) if isinstance(names, str) else names
    return {key: value for key, value in properties.items() if key in wanted}


def text(document: Any) -> str:
    """A policy or other document as the JSON text that APIs take."""
    return document if isinstance(document, str) else json.dumps(document)


def tag_map(tags: Any) -> dict[str, str]:
    """CloudFormation's tags (a list of Key and Value, or a map) as a map."""
    if isinstance(tags, dict):
        return {key: str(value) for key, value in tags.items()}
    return {str(tag["Key"]): str(tag["Value"]) for tag in tags or []}


class Handler(ABC):
    """One resource type.

    ``honoured`` properties do what AWS documents; ``recorded`` ones are kept and shown but change nothing here
    (harmless: listed in docs); any other property is refused by name before anything is made. A change of a
    ``replaces`` property makes a new resource. ``attributes`` are what GetAtt can ask.
    """

    type: ClassVar[str]
    honoured: ClassVar[frozenset[str]]
    recorded: ClassVar[frozenset[str]] = frozenset()
    required: ClassVar[frozenset[str]] = frozenset()
    replaces: ClassVar[frozenset[str]] = frozenset()
    attributes: ClassVar[frozenset[str]] = frozenset()
    #: the property that gives the resource its name, when there is one
    name_property: ClassVar[str | None] = None

    def check(self, properties: Json) -> Iterator[str]:
        """Problems with property values that can be seen beforehand (values may be ``UNKNOWN``)."""
        yield from ()

    @abstractmethod
    def create(self, env: Env, properties: Json) -> Made:
        """Make the resource. ``ResourceFailure``, or a client's error, when it can't be."""

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        """Change the resource in place. Only called when no ``replaces`` property differs."""
        raise ResourceFailure(f"{self.type} can't be changed in place here.")

    @abstractmethod
    def delete(self, env: Env, made: Made, properties: Json) -> None:
        """Take the resource away; one that is gone already is fine."""

    def problems(self, logical_id: str, properties: Json) -> Iterator[str]:
        """All problems of a resource's properties, each a sentence that names the resource."""
        for name in sorted(self.required - set(properties)):
            yield f"Resource {logical_id} ({self.type}): property {name} is required."
        for name in sorted(set(properties) - self.honoured - self.recorded):
            yield f"Resource {logical_id} ({self.type}): property {name} is not supported by the local region."
        for problem in self.check(properties):
            yield f"Resource {logical_id} ({self.type}): {problem}"


def unsupported(place: str, given: Any, supported: str) -> Iterator[str]:
    """A sentence for each member of the mapping ``given`` that isn't among ``supported``."""
    if isinstance(given, dict):
        for name in sorted(set(given) - words(supported)):
            yield f"property {place}.{name} is not supported by the local region."


def expects(place: str, given: Any, *accepted: Any) -> Iterator[str]:
    """A sentence when a known value isn't one of ``accepted``."""
    if given is not None and is_known(given) and given not in accepted:
        yield f"{place} {given!r} is not supported by the local region; it accepts {', '.join(map(repr, accepted))}."
