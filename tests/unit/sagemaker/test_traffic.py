"""Who gets a request: between two fleets, among a variant's processes. No processes are started."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_region.sagemaker import variants
from local_region.sagemaker.fleet import Fleet
from local_region.sagemaker.serving import Server, StartFailure
from local_region.sagemaker.traffic import Traffic
from local_region.sagemaker.variants import Variant
from tests.support.region import wait_for


class FakeFleet:
    def __init__(self, *, closed: bool = False) -> None:
        self.closed, self.entered = closed, 0

    def enter(self) -> bool:
        self.entered += not self.closed
        return not self.closed


def fleets(count: int = 2) -> list[Any]:
    return [FakeFleet() for _ in range(count)]


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.1, 120, 280), (0.5, 860, 1140), (1.0, 2000, 2000)])
def test_the_new_fleet_has_its_share(share: float, low: int, high: int) -> None:
    blue, green = fleets()
    traffic = Traffic(cast("Fleet", blue))
    traffic.shift(green, share)
    for _ in range(2000):
        assert traffic.enter() is not None
    assert low <= green.entered <= high
    assert green.entered + blue.entered == 2000
    assert traffic.fleets() == [blue, green]


def test_a_fleet_that_closes_between_two_looks_loses_nobody_a_request() -> None:
    blue, green = fleets()
    traffic = Traffic(cast("Fleet", blue))
    traffic.shift(green, 1.0)

    def closing() -> bool:
        traffic.settle(cast("Fleet", blue))  # rolled back at this very moment
        return False

    green.enter = closing
    assert traffic.enter() is cast("Any", blue)
    assert traffic.fleets() == [blue]


def test_a_closed_fleet_without_a_successor_is_an_endpoint_that_goes() -> None:
    assert Traffic(cast("Fleet", FakeFleet(closed=True))).enter() is None


class FakeServer:
    def __init__(self, *, fails: bool = False) -> None:
        self.fails, self.started, self.stopped = fails, False, False

    def start(self, timeout: float) -> None:
        del timeout
        if self.fails:
            raise StartFailure("it can't")
        self.started = True

    def stop(self) -> None:
        self.stopped = True


class Bench:
    def __init__(self, instances: int) -> None:
        self.servers: list[FakeServer] = []
        self.fails = False
        config = {"VariantName": "v", "InitialVariantWeight": 1.0, "InitialInstanceCount": instances}
        self.variant = Variant(config, "image", self.make)

    def make(self) -> Server:
        self.servers.append(FakeServer(fails=self.fails))
        return cast("Server", self.servers[-1])


def test_a_process_for_each_instance_up_to_the_bound() -> None:
    for instances, expected in ((1, 1), (3, 3), (50, variants.MOST_PROCESSES)):
        bench = Bench(instances)
        bench.variant.start()
        assert len(bench.variant.servers) == expected
        assert bench.variant.summary()["CurrentInstanceCount"] == instances


def test_a_request_goes_to_the_process_with_the_fewest() -> None:
    bench = Bench(2)
    bench.variant.start()
    first, second = bench.variant.servers
    with bench.variant.borrowed() as a, bench.variant.borrowed() as b:
        assert {a, b} == {first, second}
        with bench.variant.borrowed() as c:
            assert c in (first, second)
    with bench.variant.borrowed() as again:
        assert again is first


def test_scaling_in_waits_for_the_requests_of_what_goes() -> None:
    bench = Bench(2)
    bench.variant.start()
    with bench.variant.borrowed(), bench.variant.borrowed() as second:
        thread = threading.Thread(target=bench.variant.scale, args=(1,))
        thread.start()
        wait_for(lambda: len(bench.variant.servers) == 1)
        assert not cast("Any", second).stopped
        with bench.variant.borrowed() as other:
            assert other is not second, "no new request goes there"
    thread.join(10)
    assert [server.stopped for server in bench.servers] == [False, True]


def test_a_process_that_does_not_come_up_changes_nothing() -> None:
    bench = Bench(1)
    bench.variant.start()
    bench.fails = True
    with pytest.raises(StartFailure, match="Production variant v: it can't"):
        bench.variant.scale(3)
    assert (len(bench.variant.servers), bench.variant.instances) == (1, 1)
    assert [server.stopped for server in bench.servers] == [False, True, True]


def test_a_shadow_sees_as_many_copies_as_its_weight_says() -> None:
    def mirrored(production: float, shadow: float | None) -> int:
        fake = SimpleNamespace(
            variants={"v": SimpleNamespace(weight=production)},
            shadow=None if shadow is None else SimpleNamespace(weight=shadow),
        )
        return sum(Fleet.mirrors(cast("Fleet", fake)) for _ in range(1000))

    assert mirrored(1.0, None) == 0
    assert mirrored(1.0, 0.0) == 0
    assert mirrored(0.0, 1.0) == 0
    assert mirrored(1.0, 1.0) == mirrored(1.0, 3.0) == 1000
    assert 200 < mirrored(2.0, 0.6) < 400
