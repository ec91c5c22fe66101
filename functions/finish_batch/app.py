"""A batch's transform job ended: writes the result of the file under predictions/."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import batches
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    job = woken.text("TransformJobName")
    logger.append_keys(job=job)
    outcome = batches.finish_batch().transform_ended(job, woken.at)
    logger.info("batch transform job ended", extra={"outcome": outcome})
    return {"outcome": outcome}
