"""AWS's Price List Query API: on-demand prices of SageMaker's jobs.

https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-changes.html. It answers in three regions only, for
all of them; the prices of a product come as JSON within JSON.
"""

from __future__ import annotations

import json
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.domain.errors import NotFound
from sluicegate.domain.pricing import hourly_price

#: where the API is asked, whatever the region that is asked about
PRICING_REGION = "us-east-1"
#: the price list's words ("component")
_COMPONENTS = {
    "training": "Training",
    "evaluation": "Batch Transform",
    "processing": "Processing",
    "hosting": "Hosting",
}


class PriceList:
    """``ports.Prices``."""

    def __init__(self, pricing: Any) -> None:
        self._pricing = pricing
        self._known: dict[tuple[str, str, str], float] = {}

    def usd_per_hour(self, region: str, instance: str, what: str) -> float:
        key = (region, instance, what)
        if key not in self._known:
            self._known[key] = self._ask(*key)
        return self._known[key]

    def _ask(self, region: str, instance: str, what: str) -> float:
        wanted = {"regionCode": region, "instanceName": instance, "component": _COMPONENTS[what]}
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
        with translated():
            found = self._pricing.get_products(ServiceCode="AmazonSageMaker", Filters=filters)
        for entry in found.get("PriceList", []):
            price = hourly_price(json.loads(entry) if isinstance(entry, str) else entry)
            if price is not None:
                return price
        raise NotFound(f"no price of {instance} for {what} in {region}")
