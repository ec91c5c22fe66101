"""What a target receives: the event, or what ``Input``, ``InputPath`` or ``InputTransformer`` make of it. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

import json
import re
from typing import Any

from jsonpath_ng.ext.parser import parse

from local_region.ports import Json

_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.-]+)>")
_MISSING = object()


def at_path(path: str, event: Json) -> Any:
    """The value at a JSONPath (``$.detail.name``); None when there is none."""
    value = _find(path, event)
    return None if value is _MISSING else value


def _find(path: str, event: Json) -> Any:
    # AWS's paths allow hyphens in names ($.detail-type); jsonpath_ng takes them for subtraction, so quote them.
    quoted = re.sub(r"(?<=\.)([A-Za-z_][\w]*-[\w-]*)", r"'\1'", path)
    matches = parse(quoted).find(event)
    if not matches:
        return _MISSING
    return [match.value for match in matches] if len(matches) > 1 else matches[0].value


def transform(transformer: Json, event: Json, rule_arn: str, rule_name: str, ingested: str) -> str:
    """Fill an InputTransformer's template. Inside a JSON string a placeholder gives its text, elsewhere its JSON."""
    values: dict[str, Any] = {
        name: _find(path, event) for name, path in (transformer.get("InputPathsMap") or {}).items()
    }
    values |= {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_name,
        "aws.events.event.ingestion-time": ingested,
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.json": event,
    }
    template = str(transformer["InputTemplate"])
    # A template that is no JSON object is text, in which a string comes without quotes.
    plain = not template.lstrip().startswith(("{", "[", '"'))
    out: list[str] = []
    position, inside = 0, False
    for match in _PLACEHOLDER.finditer(template):
        text = template[position : match.start()]
        inside ^= len(re.findall(r'(?<!\\)"', text)) % 2 == 1
        out.append(text)
        position = match.end()
        if match[1] not in values:
            out.append(match[0])
            continue
        out.append(_shown(values[match[1]], inside, plain))
    filled = "".join([*out, template[position:]])
    if plain:
        return json.dumps(filled)
    json.loads(filled)
    return filled


def _shown(value: Any, inside_string: bool, plain: bool) -> str:
    if value is _MISSING:
        return "" if inside_string or plain else '""'
    if inside_string:
        text = value if isinstance(value, str) else json.dumps(value)
        return json.dumps(text)[1:-1]
    return value if plain and isinstance(value, str) else json.dumps(value)


def payload(target: Json, event: Json, rule_arn: str, rule_name: str, ingested: str) -> str:
    """The JSON text for ``target``. ``ValueError`` when a template doesn't give JSON."""
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath") is not None:
        return json.dumps(at_path(target["InputPath"], event))
    if target.get("InputTransformer"):
        return transform(target["InputTransformer"], event, rule_arn, rule_name, ingested)
    return json.dumps(event)
