"""Compares what each serving model predicts with what it was trained on, once a period (drift in model.yaml)."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import looks
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], context: Any) -> dict[str, list[str]]:
    state = looks.watch_drift().look(bus_event(event).at, lambda: context.get_remaining_time_in_millis() / 1000)
    drifted = sorted(model for model, found in state.items() if found)
    logger.info("looked at drift", extra={"models": len(state), "drifted": drifted})
    return {"drifted": drifted}
