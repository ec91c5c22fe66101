"""The registry's word on an endpoint's sleep: it falls asleep, it is woken. ``services.slumber`` carries that out.

Who decides (the reaper, a person, a prediction) needs no right to touch an endpoint: the decision is one conditional
write, and ``advance_rollouts`` is told of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sluicegate.domain import names, pricing
from sluicegate.domain.items import ModelItem, stamp
from sluicegate.domain.lifecycle import allows
from sluicegate.domain.pricing import Price
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.domain.sleep import endpoint_state, fallen, saved, why_awake
from sluicegate.ports import RegistryReader
from sluicegate.services.ledger import Ledger, Step

#: of an instance type, what an hour of hosting costs
PriceOf = Callable[[str], Price | None]


def put_to_sleep(
    ledger: Ledger, model: str, now: datetime, by: str, why: str, price_of: PriceOf, expect: Mapping[str, object]
) -> bool:
    """Whether it was done: not when the item differs from ``expect`` by now, or must stay awake."""

    def plan(item: ModelItem) -> Step | None:
        if any(item.get(name) != value for name, value in expect.items()):
            return None
        if why_awake(item) is not None or not allows("endpoint", endpoint_state(item), "asleep"):
            return None
        config = names.endpoint_config(ledger.prefix, model, int(item["live_version"] or 0))
        cost = hourly_cost(ledger.registry, item, price_of)
        return Step(f"The endpoint sleeps: {why}", {"sleep": fallen(item, config, by, why, cost, now)})

    return ledger.step(model, now, plan) is not None


def wake_up(ledger: Ledger, model: str, now: datetime, by: str) -> bool:
    """Whether it was asleep and wakes now."""

    def plan(item: ModelItem) -> Step | None:
        sleep = item.get("sleep")
        if sleep is None or not allows("endpoint", sleep["state"], "waking"):
            return None
        woken = {**sleep, "state": "waking", "since": stamp(now), "by": by, "error": None}
        return Step(f"The endpoint wakes: {by}.", {"sleep": woken, "saved": saved(item, now)})

    return ledger.step(model, now, plan) is not None


def hourly_cost(registry: RegistryReader, item: ModelItem, price_of: PriceOf) -> float | None:
    """What the live version's endpoint costs an hour while nobody calls it; None when there is no price."""
    version = registry.version(item["model"], int(item["live_version"] or 0))
    endpoint = parse_settings(registry.run(item["model"], version["run"]).get("settings") or "").endpoint
    if endpoint.instance is None:
        return 0.0
    price = price_of(endpoint.instance)
    return None if price is None else round(price.usd_per_hour * endpoint.min, 6)


def table_price(region: str) -> PriceOf:
    """Prices for whoever may not ask AWS for them."""
    return lambda instance: pricing.from_table(region, instance)
