"""A tuning job, or one of its training jobs, ended: notes the trials, keeps the budget, goes on with the best."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import judging
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    if tuning_job := woken.optional("HyperParameterTuningJobName"):
        logger.append_keys(job=tuning_job)
        outcome = judging.follow().tuning_ended(tuning_job, woken.at)
    else:
        job = woken.text("TrainingJobName")
        logger.append_keys(job=job)
        outcome = judging.follow().trial_ended(job, woken.at)
    logger.info("tuning went on", extra={"outcome": outcome})
    return {"outcome": outcome}
