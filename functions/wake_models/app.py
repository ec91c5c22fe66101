"""Asks for a run of each model whose schedule (retrain.schedule) has come."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate import bootstrap
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, list[str]]:
    woken = bootstrap.wake().look(bus_event(event).at)
    if woken:
        logger.info("schedules have come", extra={"models": woken})
    return {"woken": woken}
