"""The resource types that the region can make. Anything else is refused by name before a deploy begins."""

from __future__ import annotations

from functools import lru_cache

from local_region.cloudformation.resources.base import Handler


@lru_cache(maxsize=1)
def registry() -> dict[str, Handler]:
    """Every supported type by name."""
    from local_region.cloudformation.resources import (
        apigateway,
        dynamodb,
        events,
        functions,
        iam,
        keeping,
        messaging,
        monitoring,
        notebooks,
        s3,
    )

    modules = (apigateway, dynamodb, events, functions, iam, keeping, messaging, monitoring, notebooks, s3)
    kinds = [
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Handler) and kind.__module__ == module.__name__
    ]
    return {kind.type: kind() for kind in kinds}


def handler_of(resource_type: str) -> Handler | None:
    return registry().get(resource_type)
