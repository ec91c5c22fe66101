"""Asks for a run of each model whose schedule (retrain.schedule) has come; tells again of jobs whose end was lost."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import base, looks
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, list[str]]:
    now = bus_event(event).at
    models = base.registry().models()
    woken = looks.wake().look(models, now)
    if woken:
        logger.info("schedules have come", extra={"models": woken})
    told = looks.lost_ends().look(models, now)
    if told:
        logger.info("the ends of jobs were told again", extra={"jobs": told})
    return {"woken": woken, "told": told}
