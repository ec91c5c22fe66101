"""Takes experiments a step on: one that somebody or something asked for, and every five minutes all that there are."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import experiments
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    if woken.kind == "Scheduled Event":
        outcomes = experiments.experiments().tick(woken.at)
    else:
        model = woken.text("model")
        outcomes = {model: experiments.experiments().advance(model, woken.at, recover=True)}
    if outcomes:
        logger.info("experiments", extra={"outcomes": outcomes})
    return outcomes
