"""A version was approved or refused in the model registry: brings an approved one to the endpoint."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import serving
from sluicegate.events import bus_event

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    woken = bus_event(event)
    package = woken.text("ModelPackageArn")
    logger.append_keys(package=package)
    outcome = serving.deploy().package_changed(package, woken.at)
    logger.info("model package changed", extra={"outcome": outcome})
    return {"outcome": outcome}
