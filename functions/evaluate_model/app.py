"""A training job ended: starts the transform jobs that predict the holdout."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import judging
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    job = woken.text("TrainingJobName")
    logger.append_keys(job=job)
    outcome = judging.evaluate().job_ended(job, woken.at)
    logger.info("training job ended", extra={"outcome": outcome})
    return {"outcome": outcome}
