"""What a run is estimated to cost before it starts, and what it cost."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluicegate.domain import instances, pricing
from sluicegate.domain.durations import duration_seconds
from sluicegate.domain.errors import NotFound, Refused, SettingsError, Transient
from sluicegate.domain.items import RunItem
from sluicegate.domain.pricing import Estimate, Line, Price
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.domain.settings_tuning import jobs_of
from sluicegate.ports import Prices, RegistryReader

log = logging.getLogger(__name__)
_ORDER = ("preparation", "training", "evaluation")


@dataclass(frozen=True)
class Size:
    """What there is to learn: rows to train on, encoded features, and how often they are gone through."""

    rows: int
    width: int
    rounds: int


class Costs:
    def __init__(self, registry: RegistryReader, prices: Prices, region: str) -> None:
        self._registry = registry
        self._prices = prices
        self._region = region

    def price(self, instance: str, what: str) -> Price | None:
        """From AWS's price list; where that can't be asked, from the table."""
        try:
            return Price(self._prices.usd_per_hour(self._region, instance, what), "list", self._region)
        except (NotFound, Refused, Transient) as error:
            log.info("the price list has no price of %s for %s: %s", instance, what, error)
        return pricing.from_table(self._region, instance)

    def estimate(self, run: RunItem, settings: ModelSettings, size: Size) -> Estimate | None:
        """None when an instance's price is nowhere to be had. ``TooExpensive`` and ``UserError``: see ``check``."""
        training, predicting = settings.training.instance, instances.for_predicting(settings.training.instance)
        train_price, predict_price = self.price(training, "training"), self.price(predicting, "evaluation")
        if train_price is None or predict_price is None:
            return None
        most = float(duration_seconds(settings.training.max_runtime))
        seconds, basis = self._seconds(run, settings, size, most)
        transforms = 2 if run.get("champion") is not None else 1
        before = self._preparation(run)
        if run.get("preparation") and before is None:
            return None
        return Estimate(
            [
                *([before] if before else []),
                Line("training", training, settings.training.count, jobs_of(settings), seconds, most, train_price),
                Line("evaluation", predicting, 1, transforms, *pricing.EVALUATION_SECONDS, predict_price),
            ],
            basis,
        )

    def preparation(self, run: RunItem) -> Estimate | None:
        """Of a run's processing job alone: how much there will be to learn is known when it is over. None when the
        instance's price is nowhere to be had."""
        line, size = self._preparation(run), (run.get("preparation") or {}).get("bytes", 0)
        return Estimate([line], f"{size / 2**20:,.0f} MB of accepted rows to prepare") if line else None

    def _preparation(self, run: RunItem) -> Line | None:
        job = run.get("preparation")
        price = self.price(job["instance"], "processing") if job else None
        if not job or price is None:
            return None
        seconds, most = pricing.preparation_seconds(job["bytes"])
        billed = next((line["seconds"] for line in actual_lines(run) if line["what"] == "preparation"), None)
        if billed is not None:
            seconds = most = float(billed)
        return Line("preparation", job["instance"], 1, 1, seconds, most, price)

    def _seconds(self, run: RunItem, settings: ModelSettings, size: Size, most: float) -> tuple[float, str]:
        for before in self._registry.runs(run["model"]):
            if before["run"] == run["run"] or not _alike(before, settings):
                continue
            line = training_line(before)
            rows = (before.get("rows") or {}).get("train")
            found = pricing.seconds_like({**line, "rows": rows}, size.rows, most) if line else None
            if found is not None:
                return found, f"the billed seconds of run {before['run']}"
        count = settings.training.count
        found = pricing.expected_seconds(size.rows, size.width, size.rounds, settings.training.instance, count, most)
        return found, f"{size.rows:,} rows x {size.width:,} features x {size.rounds:,} rounds"


def _alike(before: RunItem, settings: ModelSettings) -> bool:
    """Whether the earlier run trained to the end, on the same machines, in the same way. A job that failed early was
    billed little, and more rounds take longer."""
    if not any(line["status"] == "evaluating" for line in before.get("history", [])):
        return False
    try:
        earlier = parse_settings(before.get("settings") or "")
    except SettingsError:  # an older version of the stack took them
        return False
    one, other = earlier.algorithm, settings.algorithm
    return (
        earlier.training == settings.training
        and (one.name, one.hyperparameters) == (other.name, other.hyperparameters)
        and (one.tuning is None) == (other.tuning is None)
    )


def training_line(run: RunItem) -> Mapping[str, Any] | None:
    """The training part of what a run cost: ``{"seconds" of all jobs, "jobs", …}``."""
    return next((line for line in actual_lines(run) if line["what"] == "training"), None)


def actual_lines(run: RunItem) -> list[dict[str, Any]]:
    actual = (run.get("cost") or {}).get("actual") or {}
    found: list[dict[str, Any]] = actual.get("lines", [])
    return found


def check(estimate: Estimate | None, settings: ModelSettings, region: str, preparing: str | None = None) -> None:
    """``TooExpensive``: above the budget. ``UserError``: there is a budget, and no price. ``preparing``: the instance
    type, where the estimate is of the preparation alone."""
    budget = settings.budget.per_run_usd
    if estimate is None and budget is not None:
        if preparing is not None:
            raise pricing.unknown_price(preparing, region, "training.preparation_instance")
        raise pricing.unknown_price(settings.training.instance, region)
    if estimate is not None:
        pricing.check_budget(estimate, budget)


def estimated(estimate: Estimate | None, settings: ModelSettings, run: RunItem) -> dict[str, Any]:
    """The run item's ``cost`` before anything of the estimate runs; what it cost so far stays."""
    return {
        "currency": "USD",
        "budget_usd": settings.budget.per_run_usd,
        "estimate": estimate.to_json() if estimate is not None else None,
        "actual": (run.get("cost") or {}).get("actual"),
    }


def spent(cost: Mapping[str, Any] | None, what: str, jobs: int, seconds: float) -> dict[str, Any] | None:
    """``cost`` with the actual line of ``what``: ``jobs`` jobs that were billed ``seconds`` in all. None without an
    estimate: there is no price then."""
    estimate = (cost or {}).get("estimate")
    if cost is None or not estimate:
        return None
    planned = next((line for line in estimate["lines"] if line["what"] == what), None)
    if planned is None:
        return None
    usd = seconds * planned["count"] / 3600 * planned["price"]["usd_per_hour"]
    line = {
        "what": what,
        "instance": planned["instance"],
        "count": planned["count"],
        "jobs": jobs,
        "seconds": round(seconds),
        "usd": pricing.rounded(usd),
    }
    others = [each for each in (cost.get("actual") or {}).get("lines", []) if each["what"] != what]
    lines = sorted([*others, line], key=lambda each: _ORDER.index(each["what"]))
    total = pricing.rounded(sum(each["usd"] for each in lines))
    return {**cost, "actual": {"usd": total, "lines": lines}}
