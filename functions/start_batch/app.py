"""Reads a file that landed under batch/ and starts the transform job that predicts it."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import batches
from sluicegate.events import bus_event
from sluicegate.services.arrivals import Arrived

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    etag, sequencer = woken.text("object", "etag").strip('"'), woken.optional("object", "sequencer")
    arrived = Arrived(woken.text("object", "key"), etag, woken.at, sequencer)
    logger.append_keys(key=arrived.key, etag=arrived.etag)
    outcome = batches.start_batch().object_created(arrived)
    logger.info("batch file read", extra={"outcome": outcome})
    return {"outcome": outcome}
