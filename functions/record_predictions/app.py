"""Writes what predict and record_feedback logged to the bucket, counts it, and shows a shadow its copies."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import answers
from sluicegate.events import log_batch

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    batch = log_batch(event)
    if batch is None:
        return {}
    counts = answers.record().batch(batch.messages, batch.at)
    logger.info("recorded", extra=counts)
    return counts
