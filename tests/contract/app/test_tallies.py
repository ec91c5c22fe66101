"""Facts that count once: the adapter against moto's DynamoDB, and its stand-in in memory, by the same tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluicegate.adapters.tallies import DynamoTallies
from sluicegate.domain.errors import Refused, Transient
from sluicegate.domain.experiment.tally import Bucket, Latency, Tally
from sluicegate.domain.traffic import BUCKETS
from sluicegate.ports import Fact, Place, Tallies
from sluicegate.services.tallies import cohorts
from tests.support.tables import make_table
from tests.support.tallies import FakeTallies

AT = datetime(2026, 1, 2, 3, tzinfo=UTC)
HOUR = "2026-01-02T03"


def unpaused(seconds: float) -> None:
    assert seconds < 2


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("dynamodb")
        make_table(client)
        yield client


@pytest.fixture(params=["dynamodb", "memory"])
def tallies(request: pytest.FixtureRequest) -> Tallies:
    if request.param == "memory":
        return FakeTallies()
    return DynamoTallies(request.getfixturevalue("dynamodb"), "registry", unpaused)


def total(tallies: Tallies, model: str, scope: str) -> Tally:
    return sum((one for hours in tallies.read(model, scope).values() for one in hours.values()), Tally())


def outcome(once: str, value: float, slot: str = "champion", said: str = "1") -> Fact:
    tally = Tally(outcomes=1, total=value, squares=value * value)
    return Fact(once, dict.fromkeys((Place("x1", slot, HOUR), Place("x3", slot, HOUR)), tally), said)


def test_a_fact_counts_once_in_each_of_its_places(tallies: Tallies) -> None:
    assert tallies.add("churn", [outcome("a", 0.5)], AT) == ["counted"]
    assert tallies.add("churn", [outcome("a", 0.5)], AT) == ["repeated"]
    assert tallies.add("churn", [outcome("a", 0.7, said="other")], AT) == ["contradicted"]
    expected = {"champion": {HOUR: Tally(outcomes=1, total=0.5, squares=0.25)}}
    assert tallies.read("churn", "x1") == expected == tallies.read("churn", "x3")
    assert tallies.read("churn", "x2") == {} == tallies.read("other", "x1")


def test_what_is_too_small_for_a_sum_adds_nothing(tallies: Tallies) -> None:
    """DynamoDB refuses a sum of more than 38 digits, and a number below 1e-130."""
    assert tallies.add("churn", [outcome("a", 1e-200), outcome("b", 1.2345678901234567e-15), outcome("c", 1e9)], AT)
    summed = tallies.read("churn", "x1")["champion"][HOUR]
    assert (summed.outcomes, summed.squares) == (3, 1e18)
    assert summed.total == pytest.approx(1e9)


def test_those_counted_before_hold_up_no_others(tallies: Tallies) -> None:
    tallies.add("churn", [outcome(str(number), 1) for number in (3, 5)], AT)
    found = tallies.add(
        "churn", [outcome(str(number), 1, "champion" if number % 2 else "b") for number in range(8)], AT
    )
    assert found == ["repeated" if number in (3, 5) else "counted" for number in range(8)]
    assert total(tallies, "churn", "x1").outcomes == 8


def test_a_fact_that_is_told_twice_in_one_call_counts_once(tallies: Tallies) -> None:
    assert tallies.add("churn", [outcome("a", 1), outcome("a", 1), outcome("a", 2, said="2")], AT) == [
        "counted",
        "repeated",
        "contradicted",
    ]
    assert total(tallies, "churn", "x3").total == 1


def test_more_facts_than_a_transaction_takes(tallies: Tallies) -> None:
    facts = [outcome(str(number), 1) for number in range(120)]
    assert tallies.add("churn", facts, AT) == ["counted"] * 120
    assert total(tallies, "churn", "x1").outcomes == 120


def test_latencies_and_exposures_add_up(tallies: Tallies) -> None:
    for number, milliseconds in enumerate((1.0, 20.0, 21.0)):
        tally = Tally(exposures=2, errors=1, latency=Latency.of(milliseconds))
        tallies.add("churn", [Fact(f"batch-{number}", {Place("x1", "champion", HOUR): tally})], AT)
    [cohort] = cohorts(tallies, "churn", "x1")["champion"]
    assert cohort.end == datetime(2026, 1, 2, 4, tzinfo=UTC).timestamp()
    expected = sum((Latency.of(each) for each in (1.0, 20.0, 21.0)), Latency())
    assert (cohort.tally.exposures, cohort.tally.errors) == (6, 3)
    assert cohort.tally.latency.buckets == expected.buckets
    assert cohort.tally.latency.log_sum == pytest.approx(expected.log_sum)


def test_buckets_add_up_across_shards(tallies: Tallies) -> None:
    for number in range(12):
        buckets = {number % 3: Bucket(exposures=2, errors=1), 63: Bucket(outcomes=1, total=0.5, timed=1, log_sum=0.25)}
        tallies.add("churn", [Fact(f"line-{number}", {Place("x1", "champion", HOUR): Tally(2, buckets=buckets)})], AT)
    assert total(tallies, "churn", "x1").buckets == {
        **{number: Bucket(exposures=8, errors=4) for number in range(3)},
        63: Bucket(outcomes=12, total=6.0, timed=12, log_sum=3.0),
    }


def test_an_item_with_every_bucket_stays_a_few_kilobytes(dynamodb: Any) -> None:
    """What an update costs grows with its item."""
    place = Place("x1", "champion", HOUR)
    parts = (
        Bucket(outcomes=123_456, total=12_345.0),
        Bucket(exposures=123_456, errors=1_234),
        Bucket(timed=123_456, log_sum=456_789.123),
    )
    facts = [Fact(str(part), {place: Tally(buckets=dict.fromkeys(range(BUCKETS), part))}) for part in parts]
    tallies = DynamoTallies(dynamodb, "registry")
    assert tallies.add("churn", facts, AT) == ["counted"] * 3
    items = [one for one in dynamodb.scan(TableName="registry")["Items"] if one["pk"]["S"].startswith("TALLY")]
    item = {name: value for one in items for name, value in one.items()}
    assert total(tallies, "churn", "x1").buckets[63] == parts[0] + parts[1] + parts[2]
    # of a number: its name, and a byte for two digits and one more (Amazon DynamoDB Developer Guide, "item sizes")
    size = sum(len(name) + (len(value["N"]) + 1) // 2 + 2 for name, value in item.items() if "N" in value)
    assert size < 4_096


class Meeting:
    """DynamoDB whose transactions meet others at first."""

    def __init__(self, dynamodb: Any, times: int, code: str) -> None:
        self._dynamodb, self.times, self._code = dynamodb, times, code

    def transact_write_items(self, **parameters: Any) -> Any:
        if self.times:
            self.times -= 1
            reasons = [{"Code": "None"}, {"Code": self._code}]
            answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
            raise boto3.client("dynamodb").exceptions.TransactionCanceledException(answer, "TransactWriteItems")
        return self._dynamodb.transact_write_items(**parameters)


def test_transactions_that_meet_are_tried_again_and_given_up_in_the_end(dynamodb: Any) -> None:
    twice = Meeting(dynamodb, 2, "TransactionConflict")
    assert DynamoTallies(twice, "registry", unpaused).add("churn", [outcome("a", 1)], AT) == ["counted"]
    with pytest.raises(Transient, match="6 times"):
        DynamoTallies(Meeting(dynamodb, 9, "TransactionConflict"), "registry", unpaused).add(
            "churn", [outcome("b", 1)], AT
        )


def test_what_no_second_try_would_change_is_refused_at_once(dynamodb: Any) -> None:
    refusing = Meeting(dynamodb, 9, "ValidationError")
    with pytest.raises(Refused):
        DynamoTallies(refusing, "registry", unpaused).add("churn", [outcome("a", 1)], AT)
    assert refusing.times == 8


def test_facts_and_sums_are_forgotten_in_the_end(dynamodb: Any) -> None:
    DynamoTallies(dynamodb, "registry").add("churn", [outcome("a", 1)], AT)
    items = dynamodb.scan(TableName="registry")["Items"]
    days = {item["pk"]["S"].split("#")[0]: (int(item["expires_at"]["N"]) - AT.timestamp()) / 86400 for item in items}
    assert days == {"COUNTED": 100, "TALLY": 800}
