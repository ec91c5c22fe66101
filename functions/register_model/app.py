"""A transform job ended: measures, judges and registers the version."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import judging
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    job = woken.text("TransformJobName")
    logger.append_keys(job=job)
    outcome = judging.register().transform_ended(job, woken.id, woken.at)
    logger.info("transform job ended", extra={"outcome": outcome})
    return {"outcome": outcome}
