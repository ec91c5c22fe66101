"""What people order by the API."""

from __future__ import annotations

from functools import cache

from sluicegate.bootstrap.base import bell, ledger, region
from sluicegate.services.contests import Contests
from sluicegate.services.sleep_orders import SleepOrders
from sluicegate.services.sleeping import table_price
from sluicegate.services.steer import Steer


@cache
def steer() -> Steer:
    return Steer(ledger(), bell())


@cache
def contests() -> Contests:
    return Contests(ledger(), bell())


@cache
def sleep_orders() -> SleepOrders:
    return SleepOrders(ledger(), bell(), table_price(region()))
