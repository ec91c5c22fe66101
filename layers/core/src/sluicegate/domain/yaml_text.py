"""YAML as ``model.yaml`` may use it: plain data, keys as text, each key once, no references."""

from __future__ import annotations

import re
from typing import Any

import yaml

MAXIMUM_BYTES = 64 * 1024


class YamlError(ValueError):
    """The text is no usable YAML; the message says where (line and column count from 1)."""


class _Loader(yaml.SafeLoader):
    """SafeLoader without YAML 1.1's surprises: ``yes``, ``no``, ``on``, ``off`` and dates stay text.

    Anchors are refused, so a few lines can't stand for gigabytes.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise YamlError(f"{_place(self.peek_event().start_mark)}: references (*name) are not accepted")  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")


def _place(mark: yaml.Mark | None) -> str:
    return "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlError(f"{_place(key_node.start_mark)}: a key must be text")
        key = str(key_node.value)
        if key in found:
            raise YamlError(f"{_place(key_node.start_mark)}: the key {key!r} is given twice")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load(text: str) -> Any:
    """The one document in ``text`` (None when it is empty). Raises ``YamlError``."""
    if len(text.encode("utf-8", "surrogatepass")) > MAXIMUM_BYTES:
        raise YamlError(f"larger than {MAXIMUM_BYTES // 1024} KB")
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(f"{_place(error.problem_mark or error.context_mark)}: {said}") from error
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from error
    except (RecursionError, ValueError) as error:
        if isinstance(error, YamlError):
            raise
        raise YamlError(f"not usable: {str(error)[:200]}") from error
