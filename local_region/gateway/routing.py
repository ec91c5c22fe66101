"""Which method of an API answers a path: API Gateway takes the most specific resource, segment by segment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from local_region.gateway.definition import Method


@dataclass
class _Node:
    fixed: dict[str, _Node] = field(default_factory=dict)
    variable: tuple[str, _Node] | None = None
    greedy: tuple[str, _Node] | None = None
    methods: dict[str, Method] = field(default_factory=dict)


class Routes:
    """Routes of one deployment. A literal segment wins over ``{name}``, that over ``{name+}``."""

    def __init__(self, methods: Iterable[Method]) -> None:
        self._root = _Node()
        for method in methods:
            node = self._root
            for segment in _segments(method.path):
                node = _child(node, segment)
            node.methods[method.verb] = method

    def match(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method for ``verb`` on the undecoded ``path``, and the decoded path parameters.

        A trailing slash doesn't matter, except to a greedy parameter. None when there is no such method.
        """
        found = _find(self._root, path.lstrip("/").split("/") if path.strip("/") else [], {})
        if found is None:
            return None
        node, parameters = found
        method = node.methods.get(verb) or node.methods.get("ANY")
        return (method, parameters) if method else None


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _child(node: _Node, segment: str) -> _Node:
    if segment.startswith("{") and segment.endswith("+}"):
        node.greedy = node.greedy or (segment[1:-2], _Node())
        return node.greedy[1]
    if segment.startswith("{") and segment.endswith("}"):
        node.variable = node.variable or (segment[1:-1], _Node())
        return node.variable[1]
    return node.fixed.setdefault(segment, _Node())


def _find(node: _Node, rest: list[str], parameters: dict[str, str]) -> tuple[_Node, dict[str, str]] | None:
    if not rest or rest == [""]:
        return (node, parameters) if node.methods else None
    head, tail = unquote(rest[0]), rest[1:]
    if head in node.fixed and (found := _find(node.fixed[head], tail, parameters)):
        return found
    if node.variable and head:
        name, child = node.variable
        if found := _find(child, tail, {**parameters, name: head}):
            return found
    if node.greedy:
        name, child = node.greedy
        return child, {**parameters, name: unquote("/".join(rest))}
    return None
