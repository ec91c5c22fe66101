"""What a call, a throttle and a dropped event leave in the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_region.functions.measuring import Measuring
from local_region.functions.service import FunctionsService
from local_region.functions.worker import Invocation
from local_region.ports import AwsError, Region


class Store:
    def __init__(self) -> None:
        self.values: list[tuple[str, float, str, Mapping[str, str]]] = []

    def put(self, namespace: str, name: str, value: float, unit: str, dimensions: Mapping[str, str]) -> None:
        assert namespace == "AWS/Lambda"
        self.values.append((name, value, unit, dimensions))

    def named(self) -> dict[str, float]:
        return {name: value for name, value, _, _ in self.values}


def service(store: Store, run: Any) -> FunctionsService:
    """A service whose fleet is ``run``."""
    region = cast("Region", SimpleNamespace(metrics=store))
    made = FunctionsService(region)
    made._measuring = Measuring(region)
    made.fleet = cast("Any", SimpleNamespace(run=run))
    return made


def finishing(error: str | None) -> Any:
    def run(_function: Any, call: Invocation, _patience: float | None) -> None:
        call.concurrent = 2
        call.finish(b"{}", error)
        call.seconds = 0.25

    return run


FUNCTION = cast("Any", SimpleNamespace(spec=SimpleNamespace(name="f")))


@pytest.mark.parametrize(("error", "errors"), [(None, 0), ("Unhandled", 1)])
def test_a_call_is_counted_and_timed(error: str | None, errors: int) -> None:
    store = Store()
    service(store, finishing(error)).invoke_now(FUNCTION, b"{}")
    expected = {"Invocations": 1, "Errors": errors, "Throttles": 0, "ConcurrentExecutions": 2, "Duration": 250}
    assert store.named() == expected
    assert all(dimensions == {"FunctionName": "f"} for *_, dimensions in store.values)
    assert {unit for name, _, unit, _ in store.values if name == "Duration"} == {"Milliseconds"}


def test_a_throttled_call_is_no_invocation() -> None:
    store = Store()

    def run(*_: Any) -> None:
        raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429)

    with pytest.raises(AwsError):
        service(store, run).invoke_now(FUNCTION, b"{}")
    assert store.named() == {"Throttles": 1}


def test_what_never_ran_counts_nothing() -> None:
    store = Store()

    def run(*_: Any) -> None:
        raise AwsError("ServiceException", "no process", 500)

    with pytest.raises(AwsError):
        service(store, run).invoke_now(FUNCTION, b"{}")
    assert store.values == []
