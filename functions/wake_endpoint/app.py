"""Wakes an endpoint that a prediction asked for."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import sleep
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    asked = bus_event(event)
    model = asked.text("model")
    outcome = sleep.wake_endpoint().asked(model, asked.at)
    logger.info("endpoint", extra={"model": model, "outcome": outcome})
    return {"outcome": outcome}
