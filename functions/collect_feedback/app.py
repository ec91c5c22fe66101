"""Joins labels that were sent for predictions with what was predicted, as training data."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import labels
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    key = woken.text("object", "key")
    logger.append_keys(key=key)
    outcome = labels.collect().object_created(unquote_plus(key), woken.at)
    logger.info("feedback read", extra={"outcome": outcome})
    return {"outcome": outcome}
