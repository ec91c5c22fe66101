"""Template text to plain JSON: YAML with CloudFormation's short-form tags, or JSON.

Short forms become their long ones (``!Sub x`` → ``{"Fn::Sub": x}``), so nothing behind this module knows tags.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import yaml

from local_region.cloudformation.errors import TemplateError
from local_region.ports import Json

_SHORT_FORMS = [
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "ForEach",
    "GetAZs",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
    "Transform",
]


class _Loader(yaml.CSafeLoader):
    """CloudFormation's YAML: dates stay text, so ``Version: 2012-10-17`` is what it looks like."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _value(loader: _Loader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]


def _wrap(name: str) -> Callable[[_Loader, yaml.Node], Json]:
    return lambda loader, node: {name: _value(loader, node)}


def _get_att(loader: _Loader, node: yaml.Node) -> Json:
    value = _value(loader, node)
    return {"Fn::GetAtt": value.split(".", 1) if isinstance(value, str) else value}


for _name in _SHORT_FORMS:
    _Loader.add_constructor(f"!{_name}", _wrap(f"Fn::{_name}"))
_Loader.add_constructor("!Ref", _wrap("Ref"))
_Loader.add_constructor("!Condition", _wrap("Condition"))
_Loader.add_constructor("!GetAtt", _get_att)


def load(text: str) -> Json:
    """The template as plain JSON. ``TemplateError`` (CloudFormation's wording, with line and column) when it isn't one.

    >>> load("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub '${AWS::StackName}-q'}}}")
    {'Resources': {'Q': {'Type': 'AWS::SQS::Queue', 'Properties': {'QueueName': {'Fn::Sub': '${AWS::StackName}-q'}}}}}
    """
    try:
        template = json.loads(text) if text.lstrip().startswith("{") else _load_yaml(text)
    except json.JSONDecodeError:
        template = _load_yaml(text)  # a YAML flow mapping starts with a brace, too
    if not isinstance(template, dict):
        raise TemplateError("Template format error: unsupported structure.")
    return _text_keys(template)  # type: ignore[no-any-return]


def _load_yaml(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (a safe loader with tags that only build plain values)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise TemplateError(
            f"Template format error: YAML not well-formed.{where} {error.problem or ''}".rstrip()
        ) from error
    except yaml.YAMLError as error:
        raise TemplateError(f"Template format error: YAML not well-formed. {error}") from error


def _text_keys(value: Any) -> Any:
    """YAML keys such as ``200:`` are text in JSON, and in CloudFormation."""
    if isinstance(value, dict):
        return {_key(key): _text_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_text_keys(item) for item in value]
    return value


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)
