"""Reads an object that landed under data/, or a model.yaml, and asks for a run; notices an object that is gone."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import arrivals
from sluicegate.events import bus_event
from sluicegate.services.arrivals import Arrived

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    deleted = woken.kind == "Object Deleted"
    etag = woken.optional("object", "etag") if deleted else woken.text("object", "etag")
    arrived = Arrived(woken.text("object", "key"), etag.strip('"'), woken.at, woken.optional("object", "sequencer"))
    logger.append_keys(key=arrived.key, etag=arrived.etag)
    outcome = arrivals.withdraw().object_deleted(arrived) if deleted else arrivals.ingest().object_created(arrived)
    logger.info("object deleted" if deleted else "object read", extra={"outcome": outcome})
    return {"outcome": outcome}
