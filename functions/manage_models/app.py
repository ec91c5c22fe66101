"""Answers the GET routes of models, versions, runs, reports, uploads and batches.

It wires its one adapter itself: ``bootstrap`` brings more than this needs, and somebody waits here.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from sluicegate.adapters.aws import client
from sluicegate.adapters.registry import DynamoRegistry
from sluicegate.adapters.storage import S3Storage
from sluicegate.http.catalog import handle
from sluicegate.services.catalog import Catalog

logger = Logger()


@cache
def catalog() -> Catalog:
    registry = DynamoRegistry(client("dynamodb"), os.environ["REGISTRY_TABLE"])
    bucket = os.environ.get("DATA_BUCKET", "")
    return Catalog(registry, bucket, S3Storage(client("s3"), bucket) if bucket else None)


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    return handle(event, catalog(), log)


def log(line: dict[str, Any]) -> None:
    write = logger.error if line.get("status", 500) >= 500 else logger.info
    write("catalog", extra=line)
