"""What was told to a model's endpoint, by the model's item: who saw another state than there is now decides nothing."""

from __future__ import annotations

from sluicegate.domain.items import ModelItem


class Overtaken(Exception):
    """Another delivery wrote down what this one was about to, or something newer."""


def still(item: ModelItem, seen: ModelItem) -> None:
    if orders(item) != orders(seen):
        raise Overtaken


def orders(item: ModelItem) -> tuple[object, ...]:
    """What was told to the endpoint, and what came of it: who saw another state decides nothing."""
    return item.get("live_version"), item.get("deploying_version"), item.get("ordered_at")
