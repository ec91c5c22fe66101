"""What an endpoint is doing, where it may not be there, and its end, which another delivery may have begun."""

from __future__ import annotations

import logging

from sluicegate.domain.errors import Conflict, NotFound
from sluicegate.ports_serving import Endpoints, EndpointState

log = logging.getLogger(__name__)


def state_of(endpoints: Endpoints, name: str) -> EndpointState | None:
    """None where there is no such endpoint."""
    try:
        return endpoints.endpoint(name)
    except NotFound:
        return None


def remove(endpoints: Endpoints, name: str) -> bool:
    """Whether the endpoint takes the order to go, or is gone; not while it changes, or goes already."""
    try:
        endpoints.delete(name)
    except NotFound:
        log.info("endpoint %s is gone already", name)
    except Conflict as error:
        log.info("endpoint %s changes by itself: %s", name, error)
        return False
    return True
