"""CloudFormation's functions over plain JSON.

``resolve`` answers values; ``references`` says which logical ids a value depends on. A value that can only be known
after another resource exists is ``UNKNOWN`` while a change set is planned, and makes everything around it unknown.
Source: AWS CloudFormation user guide, "Intrinsic function reference".
"""

# ruff: noqa: E501  (messages stay on one line, so that they can be found)

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from local_region.cloudformation.errors import TemplateError
from local_region.ports import Json


class Unknown:
    """Known after apply."""

    def __repr__(self) -> str:
        return "{{changeSet:KNOWN_AFTER_APPLY}}"


UNKNOWN = Unknown()


class _Nothing:
    """``AWS::NoValue``: the property isn't there."""


NO_VALUE = _Nothing()

_VARIABLE = re.compile(r"\$\{(!?[^}]*)\}")
_PSEUDO = "AWS::"


class Reference(NamedTuple):
    """A use of a resource (or, without an attribute, of a parameter) by logical id."""

    name: str
    attribute: str | None


class Scope(Protocol):
    """What functions may ask."""

    @property
    def mappings(self) -> Json: ...
    @property
    def language_extensions(self) -> bool: ...
    def ref(self, name: str) -> Any: ...
    def attribute(self, name: str, attribute: str) -> Any: ...
    def condition(self, name: str) -> bool: ...
    def exported(self, name: str) -> Any: ...
    def zones(self, region: str) -> list[str]: ...


def is_known(value: Any) -> bool:
    if isinstance(value, dict):
        return all(is_known(item) for item in value.values())
    if isinstance(value, list):
        return all(is_known(item) for item in value)
    return value is not UNKNOWN


def call_of(value: Any) -> tuple[str, Any] | None:
    """The function and argument when ``value`` is a call: a mapping of one key, ``Ref``, ``Condition`` or ``Fn::…``."""
    if isinstance(value, dict) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name == "Ref" or name.startswith("Fn::") or (name == "Condition" and isinstance(argument, str)):
            return name, argument
    return None


def references(value: Any) -> Iterator[Reference]:
    """Every Ref, GetAtt and Sub variable in ``value``, pseudo parameters aside."""
    call = call_of(value)
    if call is None:
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for item in items:
            yield from references(item)
        return
    name, argument = call
    if name == "Ref":
        if not str(argument).startswith(_PSEUDO):
            yield Reference(str(argument), None)
    elif name == "Fn::GetAtt":
        yield Reference(*_attribute_path(argument))
    elif name == "Fn::Sub":
        yield from _sub_references(argument)
    elif name != "Condition":
        yield from references(argument)


def conditions_used(value: Any) -> Iterator[str]:
    """Names of conditions that ``value`` asks for by Fn::If or Condition."""
    call = call_of(value)
    if call is not None and call[0] == "Condition":
        yield call[1]
        return
    if call is not None and call[0] == "Fn::If" and isinstance(call[1], list) and call[1]:
        yield str(call[1][0])
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from conditions_used(item)


def _sub_references(argument: Any) -> Iterator[Reference]:
    text, extra = _sub_parts(argument)
    yield from references(list(extra.values()))
    for variable in _VARIABLE.findall(text):
        name = variable.strip()
        if name.startswith(("!", _PSEUDO)) or name in extra:
            continue
        logical, _, attribute = name.partition(".")
        yield Reference(logical, attribute or None)


def _sub_parts(argument: Any) -> tuple[str, Json]:
    if isinstance(argument, str):
        return argument, {}
    if (
        isinstance(argument, list)
        and len(argument) == 2
        and isinstance(argument[0], str)
        and isinstance(argument[1], dict)
    ):
        return argument[0], argument[1]
    raise TemplateError(
        "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string "
        "as first argument, and an optional second argument to specify a mapping of values to replace in the string"
    )


def _attribute_path(argument: Any) -> tuple[str, str]:
    if isinstance(argument, str) and "." in argument:
        name, attribute = argument.split(".", 1)
        return name, attribute
    if isinstance(argument, list) and len(argument) >= 2 and all(isinstance(part, str) for part in argument):
        return argument[0], ".".join(argument[1:])
    raise TemplateError(
        "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"
    )


def resolve(value: Any, scope: Scope) -> Any:
    """``value`` with every function called. ``NO_VALUE`` members are left out of what contains them."""
    call = call_of(value)
    if call is not None:
        return _call(*call, scope)
    if isinstance(value, dict):
        members = ((key, resolve(item, scope)) for key, item in value.items())
        return {key: item for key, item in members if item is not NO_VALUE}
    if isinstance(value, list):
        return [item for item in (resolve(item, scope) for item in value) if item is not NO_VALUE]
    return value


def _call(name: str, argument: Any, scope: Scope) -> Any:
    if name == "Ref":
        return NO_VALUE if argument == "AWS::NoValue" else scope.ref(str(argument))
    if name == "Condition":
        return scope.condition(argument)
    if name == "Fn::GetAtt":
        return scope.attribute(*_attribute_path(argument))
    if name == "Fn::If":
        condition, then, otherwise = _arguments(name, argument, 3)
        return resolve(then if scope.condition(str(condition)) else otherwise, scope)
    if name == "Fn::Sub":
        return _sub(argument, scope)
    if name == "Fn::FindInMap":
        return _find_in_map(argument, scope)
    function = _FUNCTIONS.get(name)
    if function is None:
        raise TemplateError(f"The intrinsic function {name} is not supported by the local region.")
    if name in _EXTENSIONS and not scope.language_extensions:
        raise TemplateError(
            f"{name} needs the transform AWS::LanguageExtensions; add it to the template's Transform section."
        )
    known = resolve(argument, scope)
    return function(known, scope) if is_known(known) else UNKNOWN


def _arguments(name: str, argument: Any, count: int) -> list[Any]:
    if not isinstance(argument, list) or len(argument) != count:
        raise TemplateError(f"Template error: {name} requires a list argument with {count} elements")
    return argument


def text_of(value: Any) -> str:
    """A scalar as CloudFormation writes it into text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise TemplateError("Template error: a list or a mapping was used where text is needed (Fn::Sub or Fn::Join)")
    return str(value)


def _sub(argument: Any, scope: Scope) -> Any:
    text, extra = _sub_parts(argument)
    values = {key: resolve(item, scope) for key, item in extra.items()}
    unknown = False

    def replace(match: re.Match[str]) -> str:
        nonlocal unknown
        name = match[1].strip()
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        if name in values:
            found = values[name]
        elif "." in name:
            found = scope.attribute(*name.split(".", 1))
        else:
            found = scope.ref(name)
        if not is_known(found):
            unknown = True
            return ""
        return text_of(found)

    result = _VARIABLE.sub(replace, text)
    return UNKNOWN if unknown else result


def _find_in_map(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) not in (3, 4):
        raise TemplateError(
            "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value"
        )
    name, top, second = (resolve(part, scope) for part in argument[:3])
    if not is_known([name, top, second]):
        return UNKNOWN
    found = scope.mappings.get(str(name), {}).get(str(top), {}).get(str(second), NO_VALUE)
    if found is not NO_VALUE:
        return found
    if len(argument) == 4 and isinstance(argument[3], dict) and "DefaultValue" in argument[3]:
        if not scope.language_extensions:
            raise TemplateError("Fn::FindInMap with DefaultValue needs the transform AWS::LanguageExtensions.")
        return resolve(argument[3]["DefaultValue"], scope)
    raise TemplateError(f"Template error: Unable to get mapping for {name}::{top}::{second}")


def _join(known: Any, _scope: Scope) -> str:
    delimiter, parts = _arguments("Fn::Join", known, 2)
    if not isinstance(parts, list):
        raise TemplateError(
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined"
        )
    return str(delimiter).join(text_of(part) for part in parts)


def _select(known: Any, _scope: Scope) -> Any:
    index, items = _arguments("Fn::Select", known, 2)
    try:
        position = int(index)
        if position < 0:
            raise IndexError
        return items[position]
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise TemplateError(f"Template error: Fn::Select cannot select nonexistent value at index {index}") from error


def _split(known: Any, _scope: Scope) -> list[str]:
    delimiter, text = _arguments("Fn::Split", known, 2)
    if not isinstance(text, str) or not delimiter:
        raise TemplateError(
            "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split"
        )
    return text.split(str(delimiter))


def _equals(known: Any, _scope: Scope) -> bool:
    left, right = _arguments("Fn::Equals", known, 2)
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        return bool(left == right)
    return text_of(left) == text_of(right)


def _truth(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"


def _logic(name: str, combine: Callable[[Iterator[bool]], bool]) -> Callable[[Any, Scope], bool]:
    def function(known: Any, _scope: Scope) -> bool:
        if not isinstance(known, list) or not 2 <= len(known) <= 10:
            raise TemplateError(
                f"Template error: every {name} object requires a list of at least 2 and at most 10 boolean parameters"
            )
        return combine(_truth(item) for item in known)

    return function


def _not(known: Any, _scope: Scope) -> bool:
    return not _truth(_arguments("Fn::Not", known, 1)[0])


def _length(known: Any, _scope: Scope) -> int:
    if not isinstance(known, list):
        raise TemplateError("Template error: Fn::Length needs a list")
    return len(known)


_EXTENSIONS = frozenset({"Fn::Length", "Fn::ToJsonString"})
_FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Equals": _equals,
    "Fn::And": _logic("Fn::And", all),
    "Fn::Or": _logic("Fn::Or", any),
    "Fn::Not": _not,
    "Fn::Base64": lambda known, _scope: base64.b64encode(text_of(known).encode()).decode(),
    "Fn::GetAZs": lambda known, scope: scope.zones(str(known)),
    "Fn::ImportValue": lambda known, scope: scope.exported(str(known)),
    "Fn::Length": _length,
    "Fn::ToJsonString": lambda known, _scope: json.dumps(known, separators=(",", ":")),
}
