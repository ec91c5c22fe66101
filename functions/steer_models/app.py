"""Answers the routes that change what serves. They need the admin key."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.bootstrap import orders
from sluicegate.http.experiments import experiment_routes
from sluicegate.http.sleep_routes import sleep_routes
from sluicegate.http.steering import handle, version_routes

logger = Logger()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    routes = {
        **version_routes(orders.steer()),
        **experiment_routes(orders.contests()),
        **sleep_routes(orders.sleep_orders()),
    }
    return handle(event, routes, os.environ["ADMIN_API_KEY_ID"], log)


def log(line: dict[str, Any]) -> None:
    write = logger.error if line.get("status", 500) >= 500 else logger.info
    write("steering", extra=line)
