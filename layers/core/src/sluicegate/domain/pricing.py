"""What a run costs: instances x hours x price, before it starts and after.

Seconds are billed ones (``BillableTimeInSeconds``; managed spot training bills fewer at the same price), prices are
on-demand US dollars an hour, sums are US dollars. Storage, requests and serverless endpoints are not counted: cents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluicegate.domain.errors import UserError
from sluicegate.domain.price_table import PRICES

#: whose prices stand for those of a region that the table doesn't have
FALLBACK_REGION = "us-east-1"
#: what the shortest job is billed: image and data are fetched, the artifact is uploaded. Not measured by this project;
#: a public project's cost notes have five small jobs of 89 to 129 s (2026-08).
_OVERHEAD_SECONDS = 110.0
#: rows x features x rounds a second on two virtual processors: XGBoost (hist) makes 100 rounds over 700,000 rows of 116
#: features in 7.45 s on two
_CELLS_A_SECOND = 1.0e9
#: a transform job over a holdout: what it usually takes (most of it the instance's start), and what it hardly exceeds
EVALUATION_SECONDS = (240.0, 3600.0)
#: a processing job: what the instance's start and the image take, and the bytes of accepted rows (Parquet) that it
#: prepares a second: two cores did 28 MB of numbers a second, text takes several times as long; not measured on AWS
_PREPARATION_START_SECONDS = 300.0
_PREPARED_BYTES_A_SECOND = 4 << 20
#: a processing job may take so long, and four times what is expected; SageMaker's own limit is five days
_PREPARATION_LEAST, _PREPARATION_MOST = 6 * 3600.0, 5 * 86400.0
#: virtual processors by the size in an instance type's name
_SIZES = {"medium": 2, "large": 2, "xlarge": 4}
_USD_DIGITS = 4


@dataclass(frozen=True)
class Price:
    """Of one instance for an hour. ``source``: list (AWS's price list) or table (ours, dated ``seen``: the day of its
    source)."""

    usd_per_hour: float
    source: str
    region: str
    seen: str = ""

    def to_json(self) -> dict[str, Any]:
        found = {"usd_per_hour": self.usd_per_hour, "source": self.source, "region": self.region}
        return found | {"seen": self.seen} if self.seen else found


def from_table(region: str, instance: str) -> Price | None:
    """The table's price; another region's when it has none of ``region``. None for an instance that it doesn't know."""
    for place in (region, FALLBACK_REGION, *sorted(PRICES)):
        if instance in PRICES.get(place, {}):
            usd, seen = PRICES[place][instance]
            return Price(usd, "table", place, seen)
    return None


def hourly_price(product: Mapping[str, Any]) -> float | None:
    """The on-demand price of one product of AWS's price list, as its Query API gives it
    (``{"product": {"attributes": …}, "terms": {"OnDemand": {…: {"priceDimensions": {…}}}}}``); None if it has none.
    """
    for term in (product.get("terms") or {}).get("OnDemand", {}).values():
        for dimension in term.get("priceDimensions", {}).values():
            if str(dimension.get("unit", "")).lower() not in ("hrs", "hours", "hour"):
                continue
            try:
                usd = float(dimension.get("pricePerUnit", {}).get("USD", ""))
            except ValueError:
                continue
            if usd > 0:
                return usd
    return None


@dataclass(frozen=True)
class Line:
    """``jobs`` jobs of ``count`` instances each; ``seconds`` of one job, at most ``worst``."""

    what: str  # preparation | training | evaluation
    instance: str
    count: int
    jobs: int
    seconds: float
    worst: float
    price: Price

    def usd(self, seconds: float) -> float:
        return self.jobs * self.count * seconds / 3600 * self.price.usd_per_hour

    def to_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "instance": self.instance,
            "count": self.count,
            "jobs": self.jobs,
            "seconds": round(self.seconds),
            "usd": rounded(self.usd(self.seconds)),
            "price": self.price.to_json(),
        }


@dataclass(frozen=True)
class Estimate:
    """What is expected, and what it can be at most. ``basis`` says where the seconds come from."""

    lines: Sequence[Line]
    basis: str

    @property
    def usd(self) -> float:
        return sum(line.usd(line.seconds) for line in self.lines)

    def line(self, what: str) -> Line:
        return next(line for line in self.lines if line.what == what)

    @property
    def worst_usd(self) -> float:
        return sum(line.usd(line.worst) for line in self.lines)

    def to_json(self) -> dict[str, Any]:
        return {
            "usd": rounded(self.usd),
            "worst_usd": rounded(self.worst_usd),
            "basis": self.basis,
            "lines": [line.to_json() for line in self.lines],
        }


def rounded(usd: float) -> float:
    return round(usd, _USD_DIGITS)


def money(usd: float) -> str:
    """
    >>> money(0.0123), money(12.3)
    ('$0.0123', '$12.30')
    """
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def virtual_processors(instance: str) -> int:
    """
    >>> virtual_processors("ml.m5.large"), virtual_processors("ml.c5.4xlarge")
    (2, 16)
    """
    size = instance.rpartition(".")[2]
    times = size.removesuffix("xlarge")
    return 4 * int(times) if times.isdigit() else _SIZES.get(size, 2)


def expected_seconds(rows: int, width: int, rounds: int, instance: str, count: int, most: float) -> float:
    """How long one training job is billed, judged by its size alone; never above ``most``."""
    work = rows * max(1, width) * max(1, rounds) / (_CELLS_A_SECOND * virtual_processors(instance) / 2 * count)
    return min(most, _OVERHEAD_SECONDS + work)


def preparation_seconds(size: int) -> tuple[float, float]:
    """How long a processing job over ``size`` bytes of accepted rows is expected to take, and may take at most.

    >>> preparation_seconds(400 << 20)
    (400.0, 21600.0)
    """
    expected = min(_PREPARATION_MOST, _PREPARATION_START_SECONDS + size / _PREPARED_BYTES_A_SECOND)
    return expected, min(_PREPARATION_MOST, max(_PREPARATION_LEAST, 4 * expected))


def seconds_like(before: Mapping[str, Any], rows: int, most: float) -> float | None:
    """How long a job is billed if it is like those of an earlier run, whose lines of actual cost and rows are given
    (``{"seconds", "jobs", "rows"}``). What a job takes whatever its data is not scaled. None when it tells nothing."""
    seconds, jobs, earlier = before.get("seconds"), before.get("jobs"), before.get("rows")
    if not seconds or not jobs or not earlier:
        return None
    one = float(seconds) / int(jobs)
    fixed = min(one, _OVERHEAD_SECONDS)
    return min(most, fixed + (one - fixed) * rows / int(earlier))


def affordable_seconds(usd: float, price: Price, count: int) -> int:
    """How long ``count`` instances may run for ``usd``."""
    return math.floor(usd / (price.usd_per_hour * count) * 3600)


class TooExpensive(UserError):
    """The estimate is above the budget."""


def check_budget(estimate: Estimate, budget: float | None) -> None:
    """``TooExpensive`` with the sum when the estimate is above the budget."""
    if budget is None or estimate.usd <= budget:
        return
    sums = "; ".join(
        f"{line.what} {line.jobs} x {line.count} {line.instance} x {line.seconds / 3600:.3f} h x "
        f"${line.price.usd_per_hour:g} = {money(line.usd(line.seconds))}"
        for line in estimate.lines
    )
    raise TooExpensive(
        "Above the budget",
        f"The run is estimated at {money(estimate.usd)}, at most {money(estimate.worst_usd)} ({sums}); "
        f"budget.per_run_usd is {money(budget)}.",
        "Raise budget.per_run_usd, or ask for less: fewer tuning jobs, a smaller instance, spot training.",
    )


def unknown_price(instance: str, region: str, key: str = "training.instance") -> UserError:
    """A budget can't be kept without a price."""
    return UserError(
        "The price is not known",
        f"AWS's price list can't be asked, and the table has no price for {instance} (region {region}); "
        "budget.per_run_usd could not be kept.",
        f"Use another {key}, remove budget.per_run_usd, or let start_training call pricing:GetProducts.",
    )
