"""What runs cost."""

from __future__ import annotations

from functools import cache

from sluicegate.adapters.aws import client
from sluicegate.adapters.prices import PRICING_REGION, PriceList
from sluicegate.bootstrap.base import region, registry
from sluicegate.services.costs import Costs


@cache
def prices() -> PriceList:
    return PriceList(client("pricing", PRICING_REGION))


@cache
def costs() -> Costs:
    return Costs(registry(), prices(), region())
