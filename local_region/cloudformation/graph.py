"""The order in which resources can be made."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from local_region.cloudformation.errors import TemplateError


def order(needs: Mapping[str, Collection[str]]) -> list[str]:
    """Names so that each comes after all that it needs; ties keep the mapping's order (so a deploy is repeatable).

    ``TemplateError`` names the members of a cycle.

    >>> order({"a": ["b"], "b": [], "c": ["a"]})
    ['b', 'a', 'c']
    """
    done: list[str] = []
    placed: set[str] = set()
    left = dict(needs)
    while left:
        ready = [
            name for name, wanted in left.items() if all(other in placed or other not in needs for other in wanted)
        ]
        if not ready:
            raise TemplateError(f"Circular dependency between resources: [{', '.join(_cycle(left))}]")
        for name in ready:
            del left[name]
        done += ready
        placed.update(ready)
    return done


def _cycle(left: Mapping[str, Collection[str]]) -> list[str]:
    """Only the names that really form a ring, not those that merely wait for it."""
    path = [next(iter(left))]
    while True:
        following = next(name for name in left[path[-1]] if name in left)
        if following in path:
            return path[path.index(following) :]
        path.append(following)
