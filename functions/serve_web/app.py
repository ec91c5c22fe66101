"""Serves the web page, its assets and the OpenAPI document."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.http.site import Site

logger = Logger()


@cache
def site() -> Site:
    return Site(Path(__file__).parent / "site")


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    return site().handle(event, lambda line: logger.info("page", extra=line))
