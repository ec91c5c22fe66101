"""Answers ``POST models/{model}/feedback``: what became of a prediction, counted once."""

from __future__ import annotations

import sys
from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import answers
from sluicegate.http.feedback import handle

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    return handle(event, answers.feedback(keep), log)


def log(line: dict[str, Any]) -> None:
    write = logger.error if line.get("status", 500) >= 500 else logger.info
    write("feedback", extra=line)


def keep(line: str) -> None:
    """A line of the log that a subscription filter reads: JSON as it is, in one piece."""
    sys.stdout.write(line + "\n")
