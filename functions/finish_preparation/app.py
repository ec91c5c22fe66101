"""A processing job that prepared a data set ended: makes the data set whole and starts the training."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import training
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    job = woken.text("ProcessingJobName")
    logger.append_keys(job=job)
    outcome = training.finish_preparation().job_ended(job, woken.at)
    logger.info("preparation ended", extra={"outcome": outcome})
    return {"outcome": outcome}
