"""Parameter values of a stack: given, previous or default, checked against their declaration.

Messages are CloudFormation's. Source of the rules: AWS CloudFormation user guide, "Parameters section".
"""

# ruff: noqa: E501  (messages stay on one line, so that they can be found)

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_region.cloudformation.errors import TemplateError
from local_region.ports import Json

#: reads an SSM parameter: name → text
SsmReader = Callable[[str], str]

_SSM = "AWS::SSM::Parameter::Value<"
_PLAIN = frozenset({"String", "Number", "List<Number>", "CommaDelimitedList", "List<String>"})
_SSM_INNER = frozenset({"String", "List<String>", "CommaDelimitedList"})
_KEYS = frozenset(
    [
        "Type",
        "Default",
        "Description",
        "AllowedValues",
        "AllowedPattern",
        "ConstraintDescription",
        "MaxLength",
        "MinLength",
        "MaxValue",
        "MinValue",
        "NoEcho",
    ]
)
MASK = "****"
LIMIT = 200


@dataclass(frozen=True)
class Parameter:
    """One parameter of a stack. ``text`` is what was given, ``value`` what Ref answers (text, or a list of texts)."""

    name: str
    text: str
    value: Any
    no_echo: bool = False
    from_ssm: bool = False

    def described(self) -> Json:
        answer: Json = {"ParameterKey": self.name, "ParameterValue": MASK if self.no_echo else self.text}
        if self.from_ssm:
            answer["ResolvedValue"] = ",".join(self.value) if isinstance(self.value, list) else self.value
        return answer


def check_declarations(declared: Mapping[str, Any]) -> None:
    """``TemplateError`` for a parameter section that can't be: unknown type, unknown key, too many."""
    if len(declared) > LIMIT:
        raise TemplateError(
            f"Template format error: Number of parameters, {len(declared)}, is greater than maximum allowed, {LIMIT}"
        )
    for name, spec in declared.items():
        if not isinstance(spec, dict) or "Type" not in spec:
            raise TemplateError(f"Template format error: Every Parameters object must contain a Type member. ({name})")
        unknown = sorted(set(spec) - _KEYS)
        if unknown:
            raise TemplateError(f"Invalid template parameter property '{unknown[0]}' ({name})")
        kind = str(spec["Type"])
        inner = kind[len(_SSM) : -1] if kind.startswith(_SSM) and kind.endswith(">") else None
        if kind not in _PLAIN and inner not in _SSM_INNER:
            raise TemplateError(
                f"Parameter {name} has the type {kind}, which the local region does not support. "
                f"Supported are {', '.join(sorted(_PLAIN))} and {_SSM}String|List<String>|CommaDelimitedList>."
            )


def bind(
    declared: Mapping[str, Any],
    given: Sequence[Mapping[str, Any]],
    previous: Mapping[str, Parameter],
    read_ssm: SsmReader,
) -> dict[str, Parameter]:
    """Every declared parameter with its checked value. ``TemplateError`` names all that are missing or unknown."""
    check_declarations(declared)
    texts = {str(item["ParameterKey"]): _given_text(item, previous) for item in given}
    unknown = [name for name in texts if name not in declared]
    if unknown:
        raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {name: texts.get(name, _default(spec)) for name, spec in declared.items()}
    missing = [name for name, text in values.items() if text is None]
    if missing:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
    return {name: _checked(name, declared[name], text, read_ssm) for name, text in values.items() if text is not None}


def _given_text(item: Mapping[str, Any], previous: Mapping[str, Parameter]) -> str | None:
    name = str(item["ParameterKey"])
    if item.get("UsePreviousValue"):
        if name not in previous:
            raise TemplateError(
                f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter key not in the previous template"
            )
        return previous[name].text
    value = item.get("ParameterValue")
    return None if value is None else str(value)


def _default(spec: Mapping[str, Any]) -> str | None:
    default = spec.get("Default")
    if default is None:
        return None
    if isinstance(default, bool):
        return "true" if default else "false"
    return ",".join(map(str, default)) if isinstance(default, list) else str(default)


def _checked(name: str, spec: Mapping[str, Any], text: str, read_ssm: SsmReader) -> Parameter:
    kind = str(spec["Type"])
    resolved = text
    if kind.startswith(_SSM):
        resolved, kind = read_ssm(text), kind[len(_SSM) : -1]
    value: Any = [part.strip() for part in resolved.split(",")] if "List" in kind else resolved
    if "List" in kind and resolved == "":
        value = []
    for item in value if isinstance(value, list) else [value]:
        _check_value(name, spec, item, number="Number" in kind)
    no_echo = str(spec.get("NoEcho", "false")).lower() == "true"
    return Parameter(name, text, value, no_echo, str(spec["Type"]).startswith(_SSM))


def _check_value(name: str, spec: Mapping[str, Any], text: str, *, number: bool) -> None:
    problem = _problem(name, spec, text, number=number)
    if problem is None:
        return
    described = spec.get("ConstraintDescription")
    raise TemplateError(f"Parameter '{name}' failed to satisfy constraint: {described}" if described else problem)


def _problem(name: str, spec: Mapping[str, Any], text: str, *, number: bool) -> str | None:
    allowed = spec.get("AllowedValues")
    if allowed is not None and text not in [_default({"Default": value}) for value in allowed]:
        return f"Parameter '{name}' must be one of AllowedValues"
    if number:
        return _number_problem(name, spec, text)
    pattern = spec.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(str(pattern), text):
        return f"Parameter '{name}' must match pattern {pattern}"
    if len(text) < int(spec.get("MinLength", 0)):
        return f"Parameter '{name}' must contain at least {spec['MinLength']} characters"
    if "MaxLength" in spec and len(text) > int(spec["MaxLength"]):
        return f"Parameter '{name}' must contain at most {spec['MaxLength']} characters"
    return None


def _number_problem(name: str, spec: Mapping[str, Any], text: str) -> str | None:
    try:
        value = float(text)
    except ValueError:
        return f"Parameter '{name}' must be a number"
    if "MinValue" in spec and value < float(spec["MinValue"]):
        return f"Parameter '{name}' must be a number not less than {spec['MinValue']}"
    if "MaxValue" in spec and value > float(spec["MaxValue"]):
        return f"Parameter '{name}' must be a number not greater than {spec['MaxValue']}"
    return None
