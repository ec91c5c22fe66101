"""What an endpoint is doing, where it may not be there."""

from __future__ import annotations

from sluicegate.domain.errors import NotFound
from sluicegate.ports_serving import Endpoints, EndpointState


def state_of(endpoints: Endpoints, name: str) -> EndpointState | None:
    """None where there is no such endpoint."""
    try:
        return endpoints.endpoint(name)
    except NotFound:
        return None
