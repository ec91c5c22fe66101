"""Puts endpoints to sleep that nobody calls (idle_shutdown)."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import sleep
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, list[str]]:
    asleep = sleep.reap().look(bus_event(event).at)
    if asleep:
        logger.info("endpoints go to sleep", extra={"models": asleep})
    return {"asleep": asleep}
