"""A message on the training queue: prepares the data set and starts the training job, if there is reason to."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import training
from sluicegate.events import queue_records
from sluicegate.services.train import parse_message

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Names the messages that have to come again; those that are done leave the queue."""
    failed = []
    for record in queue_records(event):
        try:
            model, cause = parse_message(record.body)
            logger.append_keys(model=model, cause=cause)
            outcome = training.start().look(model, cause, record.id, record.at)
            logger.info("looked", extra={"outcome": outcome})
        except Exception:  # whatever it was, this message comes again, and at last goes to the dead-letter queue
            logger.exception("a message could not be handled", extra={"message_id": record.id})
            failed.append({"itemIdentifier": record.id})
    return {"batchItemFailures": failed}
