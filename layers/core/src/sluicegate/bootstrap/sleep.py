"""What puts endpoints to sleep and wakes them."""

from __future__ import annotations

from functools import cache

from sluicegate.adapters.aws import client
from sluicegate.adapters.calls import CloudWatchCalls
from sluicegate.bootstrap.base import bell, endpoints, ledger, prefix
from sluicegate.bootstrap.costs import costs
from sluicegate.services.reap import Reap
from sluicegate.services.wake_endpoint import WakeEndpoint


@cache
def reap() -> Reap:
    return Reap(ledger(), endpoints(), CloudWatchCalls(client("cloudwatch")), costs(), bell(), prefix())


@cache
def wake_endpoint() -> WakeEndpoint:
    return WakeEndpoint(ledger(), bell())
