"""What turns files into predictions."""

from __future__ import annotations

from functools import cache

from sluicegate.adapters.workspace import LambdaWorkspace
from sluicegate.bootstrap.base import jobs, prefix, region, registry, storage
from sluicegate.services.batch import StartBatch
from sluicegate.services.finish_batch import FinishBatch


@cache
def start_batch() -> StartBatch:
    return StartBatch(registry(), storage(), jobs(), LambdaWorkspace(), region(), prefix())


@cache
def finish_batch() -> FinishBatch:
    return FinishBatch(registry(), storage(), jobs(), LambdaWorkspace(), prefix())
