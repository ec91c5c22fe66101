"""What takes uploads in."""

from __future__ import annotations

from functools import cache

from sluicegate.adapters.workspace import LambdaWorkspace
from sluicegate.bootstrap.base import ledger, storage
from sluicegate.services.ingest import Ingest
from sluicegate.services.withdraw import Withdraw


@cache
def ingest() -> Ingest:
    return Ingest(ledger(), storage(), LambdaWorkspace())


@cache
def withdraw() -> Withdraw:
    return Withdraw(ledger(), storage())
