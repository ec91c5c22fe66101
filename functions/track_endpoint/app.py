"""An endpoint changed its state: sees what it serves now, and goes on from there."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import serving
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    endpoint = woken.text("EndpointName")
    logger.append_keys(endpoint=endpoint)
    outcome = serving.track().endpoint_changed(endpoint, woken.at)
    logger.info("endpoint changed", extra={"outcome": outcome})
    return {"outcome": outcome}
