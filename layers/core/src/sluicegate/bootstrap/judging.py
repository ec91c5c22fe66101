"""What measures versions and registers them."""

from __future__ import annotations

from functools import cache

from sluicegate.adapters.workspace import LambdaWorkspace
from sluicegate.bootstrap.base import jobs, ledger, packages, prefix, region, storage
from sluicegate.services.evaluate import Evaluate
from sluicegate.services.follow import Follow
from sluicegate.services.register import Register


@cache
def evaluate() -> Evaluate:
    return Evaluate(ledger(), storage(), jobs(), region(), prefix())


@cache
def follow() -> Follow:
    return Follow(ledger(), jobs(), evaluate(), prefix())


@cache
def register() -> Register:
    return Register(ledger(), storage(), jobs(), packages(), LambdaWorkspace(), region(), prefix())
