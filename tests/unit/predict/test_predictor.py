"""Which lane is asked, and what happens while lanes change; no sockets, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.domain.errors import Transient
from sluicegate.domain.inference_id import lane_digest, verify
from sluicegate.domain.records import FieldError, InvalidRecords
from sluicegate.services.predict import (
    EndpointMissing,
    Lane,
    ModelFailed,
    NotLive,
    Predictor,
    Routing,
    TooLarge,
    Unavailable,
    VariantRefused,
    candidates,
    choose,
    parts,
)

KEY = b"0123456789abcdef"


@dataclass(frozen=True)
class FakeLane:
    version: int
    weight: float = 1.0
    endpoint: str = "e"

    @property
    def variant(self) -> str:
        return f"v{self.version}"

    @property
    def content_type(self) -> str:
        return "text/csv"

    accept = content_type

    def encode(self, body: bytes, content_type: str) -> list[bytes]:
        return body.replace(b"?", str(self.version).encode()).splitlines(keepends=True)

    def decode(self, answer: bytes) -> list[dict[str, Any]]:
        return [{"prediction": float(line)} for line in answer.splitlines()]


@dataclass
class World:
    """Routing, endpoint and clock in one; ``later`` is what reading afresh gives, one after another."""

    routing: Routing | None
    present: set[str]
    later: list[Callable[[World], None]] = field(default_factory=list)
    now: float = 0.0
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    failure: Exception | None = None

    def read(self, model: str, *, fresh: bool = False) -> Routing | None:
        if fresh and self.later:
            self.later.pop(0)(self)
        return self.routing

    def invoke(self, lane: Lane, body: bytes, inference_id: str, timeout: float) -> bytes:
        self.asked.append((lane.variant, body))
        if self.failure:
            raise self.failure
        if lane.variant not in self.present:
            raise VariantRefused(lane.variant)
        return b"1\n" * body.count(b"\n")

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def predict(self, body: bytes = b"?\n") -> Any:
        predictor = Predictor(self, self, lambda: KEY, self.pause, lambda: self.now)
        return predictor.predict("m", body, "", subject="s", time_ms=7, timeout=20)


def lanes(*versions: int) -> tuple[FakeLane, ...]:
    return tuple(FakeLane(version) for version in versions)


def test_the_lane_that_is_live_answers() -> None:
    world = World(Routing(lanes(1), lanes(2)), {"v1", "v2"})
    found = world.predict(b"?\n?\n")
    assert world.asked == [("v1", b"1\n1\n")]
    ids = [verify(prediction["inference_id"], KEY) for prediction in found.predictions]
    assert [(read.version, read.lane, read.time_ms) for read in ids] == [(1, lane_digest("e", "v1"), 7)] * 2


def test_the_coming_lane_gets_its_own_encoding() -> None:
    world = World(Routing(lanes(1), lanes(2)), {"v2"})
    assert world.predict().lane.version == 2
    assert world.asked == [("v1", b"1\n"), ("v2", b"2\n")]


def test_a_routing_that_changes_is_followed_at_once() -> None:
    def switch(world: World) -> None:
        world.routing, world.present = Routing(lanes(3), ()), {"v3"}

    world = World(Routing(lanes(1), lanes(2)), set(), [switch])
    assert world.predict().lane.version == 3
    assert world.now == 0


def test_an_endpoint_that_takes_a_moment_is_waited_for() -> None:
    world = World(Routing(lanes(1), lanes(2)), set())
    world.later = [lambda world: None, lambda world: None, lambda world: world.present.add("v2")]
    assert world.predict().lane.version == 2
    assert 0 < world.now < 1


def test_waiting_ends_even_when_the_routing_never_stands_still() -> None:
    def turn(world: World) -> None:
        world.now += 0.5
        assert world.routing
        world.routing = Routing(lanes(world.routing.lanes[0].version + 1), ())

    world = World(Routing(lanes(1), ()), set(), [turn] * 100)
    with pytest.raises(Unavailable, match="changing versions"):
        world.predict()
    assert world.now < 6


@pytest.mark.parametrize("routing", [None, Routing((), ())])
def test_no_routing_is_not_live(routing: Routing | None) -> None:
    with pytest.raises(NotLive):
        World(routing, set()).predict()


def test_an_endpoint_that_is_missing_is_told_after_one_more_look() -> None:
    world = World(Routing(lanes(1), ()), set(), failure=EndpointMissing("gone"))
    with pytest.raises(Unavailable) as caught:
        world.predict()
    assert caught.value.retry_after == 5
    assert len(world.asked) == 1


def test_a_model_that_was_deleted_meanwhile_is_not_live() -> None:
    def gone(world: World) -> None:
        world.routing = None

    with pytest.raises(NotLive):
        World(Routing(lanes(1), ()), set(), [gone]).predict()


@pytest.mark.parametrize("failure", [ModelFailed("x"), Transient("x")])
def test_other_failures_go_through(failure: Exception) -> None:
    with pytest.raises(type(failure)):
        World(Routing(lanes(1), lanes(2)), set(), failure=failure).predict()


def test_the_time_that_is_left_is_kept() -> None:
    world = World(Routing(lanes(1), ()), {"v1"})
    predictor = Predictor(world, world, lambda: KEY, world.pause, lambda: world.now)
    with pytest.raises(Transient, match="too long"):
        predictor.predict("m", b"1\n", "", subject="s", time_ms=1, timeout=0)


@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=4))
def test_subjects_keep_their_lane_and_spread_by_weight(weights: list[float]) -> None:
    several = [FakeLane(number, weight) for number, weight in enumerate(weights, 1)]
    counts = Counter(choose(several, f"subject-{number}").version for number in range(500))
    for lane in several:
        assert abs(counts[lane.version] / 500 - lane.weight / sum(weights)) < 0.12
    assert choose(several, "ada") is choose(several, "ada")


def test_lanes_without_weight_share_alike() -> None:
    several = [FakeLane(1, 0), FakeLane(2, 0)]
    assert {choose(several, f"s{number}").version for number in range(50)} == {1, 2}
    assert len(candidates(Routing(tuple(several), lanes(3)), "s")) == 2


@given(st.lists(st.binary(max_size=9), min_size=1), st.integers(9, 30))
def test_pieces_put_together_are_the_records(records: list[bytes], largest: int) -> None:
    pieces = parts(records, largest)
    assert b"".join(piece for piece, _ in pieces) == b"".join(records)
    assert sum(number for _, number in pieces) == len(records)
    assert all(len(piece) <= largest for piece, _ in pieces)


def test_a_record_larger_than_a_payload_is_refused() -> None:
    with pytest.raises(TooLarge, match="11 bytes"):
        parts([b"1\n", b"x" * 10 + b"\n"], 10)


@dataclass(frozen=True)
class StrictLane(FakeLane):
    """Version 2 knows one field more."""

    def encode(self, body: bytes, content_type: str) -> list[bytes]:
        if self.version == 1 and b"region" in body:
            raise InvalidRecords([FieldError(0, "region", "unknown field")])
        return body.splitlines(keepends=True)


def test_a_field_of_a_version_that_has_just_gone_live_is_no_mistake() -> None:
    """What the API said is live must be what predictions go by, though the routing is kept for some seconds."""

    def switched(world: World) -> None:
        world.routing = Routing((StrictLane(2),), ())

    world = World(Routing((StrictLane(1),), ()), {"v2"}, [switched])
    predictor = Predictor(world, world, lambda: KEY, world.pause, lambda: world.now)
    found = predictor.predict("m", b"region\n", "text/csv", subject="s", time_ms=0, timeout=10)
    assert found.lane.version == 2


def test_a_mistake_stays_one_and_costs_one_look_at_the_routing() -> None:
    looks: list[int] = []
    world = World(Routing((StrictLane(1),), ()), {"v1"}, [lambda _: looks.append(1)] * 2)
    predictor = Predictor(world, world, lambda: KEY, world.pause, lambda: world.now)
    with pytest.raises(InvalidRecords, match="unknown field"):
        predictor.predict("m", b"region\n", "text/csv", subject="s", time_ms=0, timeout=10)
    assert (looks, world.asked) == ([1], [])
