"""Brings models to what was decided for them: one that was decided, or whose alarm is raised, and every minute all that
are on the way."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import base, serving
from sluicegate.domain import names
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    if woken.kind == "Scheduled Event":
        outcomes = serving.advance().all(woken.at)
    elif alarm := woken.optional("alarmName"):
        model = names.alarm_model(base.prefix(), alarm)
        reason = woken.optional("state", "reason")
        outcomes = {model: serving.advance().alarmed(model, alarm, reason, woken.at)} if model else {}
    else:
        model = woken.text("model")
        outcomes = {model: serving.advance().one(model, woken.at)}
    if outcomes:
        logger.info("rollouts", extra={"outcomes": outcomes})
    return outcomes
