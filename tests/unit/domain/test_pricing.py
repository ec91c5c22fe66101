"""Sums, hours and prices."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from scripts.generate_prices import products, table
from sluicegate.domain import price_table, pricing
from sluicegate.domain.pricing import Estimate, Line, Price, TooExpensive

ROOT = Path(__file__).resolve().parents[3]
LARGE = Price(0.115, "list", "us-east-1")


def product(usd: str, unit: str = "Hrs", **attributes: str) -> dict[str, object]:
    """One product as AWS's Price List Query API documents it."""
    dimension = {"unit": unit, "pricePerUnit": {"USD": usd}, "rateCode": "A.B.C"}
    return {
        "product": {"productFamily": "ML Instance", "attributes": attributes, "sku": "A"},
        "serviceCode": "AmazonSageMaker",
        "terms": {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": dimension}}}, "Reserved": {}},
    }


@pytest.mark.parametrize(
    ("given", "price"),
    [
        (product("0.1150000000"), 0.115),
        (product("0.0000000000"), None),
        (product("0.1", "GB-Mo"), None),
        ({"terms": {"OnDemand": {}}}, None),
        ({}, None),
    ],
)
def test_the_price_of_a_product(given: dict[str, object], price: float | None) -> None:
    assert pricing.hourly_price(given) == price


def test_the_table_falls_back_on_another_region_and_says_so() -> None:
    found = pricing.from_table("eu-west-1", "ml.m5.large")
    assert found is not None and (found.region, found.source) == ("us-east-1", "table")
    own = pricing.from_table("eu-west-1", "ml.m5.xlarge")
    assert own is not None and (own.region, own.usd_per_hour) == ("eu-west-1", 0.257)
    assert pricing.from_table("us-east-1", "ml.unheardof.large") is None


def test_the_default_instance_has_a_price_and_every_price_a_source() -> None:
    assert pricing.from_table("us-east-1", "ml.m5.large") is not None
    with (ROOT / "scripts/prices.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["source"] and len(row["seen"]) == 10 and float(row["usd_per_hour"]) > 0 for row in rows)
    text = table({(row["region"], row["instance"]): row for row in rows})
    assert text == Path(price_table.__file__).read_text(), "run scripts/generate_prices.py"


def test_the_generator_reads_both_forms_of_the_price_list() -> None:
    one = product("0.23", component="Training", instanceName="ml.m5.xlarge", regionCode="us-east-1")
    query = {"PriceList": [json.dumps(one)]}
    offer = {"products": {"A": one["product"]}, "terms": {"OnDemand": {"A": one["terms"]["OnDemand"]}}}  # type: ignore[index]
    for document in (query, offer):
        (found,) = products(document)
        assert pricing.hourly_price(found) == 0.23
        assert found["product"]["attributes"]["instanceName"] == "ml.m5.xlarge"


def test_an_estimate_is_jobs_times_instances_times_hours_times_price() -> None:
    estimate = Estimate([Line("training", "ml.m5.large", 2, 12, 600, 3600, LARGE)], "test")
    assert estimate.usd == pytest.approx(12 * 2 * (600 / 3600) * 0.115)
    assert estimate.worst_usd == pytest.approx(12 * 2 * 0.115)
    pricing.check_budget(estimate, None)
    pricing.check_budget(estimate, estimate.usd)
    with pytest.raises(TooExpensive, match=r"estimated at \$0.4600, at most \$2.76 \(training 12 x 2 ml.m5.large"):
        pricing.check_budget(estimate, 0.45)


def test_more_work_takes_longer_more_processors_less_and_never_above_the_limit() -> None:
    seconds = [
        pricing.expected_seconds(rows, 50, 200, instance, count, 86_400)
        for rows, instance, count in (
            (1_000_000, "ml.m5.large", 1),
            (2_000_000, "ml.m5.large", 1),
            (2_000_000, "ml.m5.4xlarge", 1),
            (2_000_000, "ml.m5.4xlarge", 4),
        )
    ]
    assert seconds[0] < seconds[1] > seconds[2] > seconds[3]
    assert pricing.expected_seconds(10**9, 100, 1000, "ml.m5.large", 1, 3600) == 3600


def test_an_earlier_run_tells_the_hours() -> None:
    assert pricing.seconds_like({"seconds": 4 * 610, "jobs": 4, "rows": 1000}, 2000, 9999) == pytest.approx(1110)
    assert pricing.seconds_like({"seconds": 4, "jobs": 4, "rows": 1000}, 2000, 9999) == 1
    assert pricing.seconds_like({"seconds": 100, "jobs": 1, "rows": 0}, 2000, 9999) is None
    assert pricing.seconds_like({}, 2000, 9999) is None


@pytest.mark.parametrize(("usd", "said"), [(0.0, "$0.00"), (0.01234, "$0.0123"), (1234.5, "$1,234.50")])
def test_money(usd: float, said: str) -> None:
    assert pricing.money(usd) == said
