"""Which lane is asked, and what happens while lanes change; no sockets, no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.domain.errors import Transient
from sluicegate.domain.inference_id import lane_digest, verify
from sluicegate.domain.local_models import LocalModel
from sluicegate.domain.records import FieldError, InvalidRecords, Records
from sluicegate.domain.traffic import bucket
from sluicegate.services.dispatch import Caller, Lane, Routing, UnknownLane, candidates, shares
from sluicegate.services.predict import (
    EndpointMissing,
    ModelFailed,
    NotLive,
    Predictor,
    TooLarge,
    Trace,
    Unavailable,
    VariantRefused,
    parts,
)

KEY = b"0123456789abcdef"
CALLER = Caller("request-1")
ONE = b"x\n5\n"


def plain(records: Records) -> list[dict[str, Any]]:
    return [records.plain(number) for number in range(len(records.rows))]


@dataclass(frozen=True)
class FakeLane:
    version: int
    weight: float = 1.0
    endpoint: str = "e"
    slot: str = "champion"
    local: str | None = None
    shifting_to: int | None = None

    @property
    def variant(self) -> str:
        return f"v{self.version}"

    @property
    def content_type(self) -> str:
        return "text/csv"

    accept = content_type

    def encode(self, records: Records) -> list[bytes]:
        """A record as this version reads it: the version, and what the record says."""
        return [f"{self.version} {' '.join(map(str, record.values()))}\n".encode() for record in plain(records)]

    def decode(self, answer: bytes) -> list[dict[str, Any]]:
        return [{"prediction": float(line)} for line in answer.splitlines()]

    def evaluate(self, model: LocalModel, records: Sequence[bytes]) -> list[dict[str, Any]]:
        return [{"prediction": score[0]} for score in model.scores(records, "csv")]


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
        return b"".join(line.rsplit()[-1] + b"\n" for line in body.splitlines())

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def predict(self, body: bytes = ONE, caller: Caller = CALLER, trace: Trace | None = None) -> Any:
        predictor = Predictor(self, self, lambda: KEY, self.pause, lambda: self.now)
        return predictor.predict("m", body, "text/csv", caller=caller, time_ms=7, timeout=20, trace=trace)


def lanes(*versions: int) -> tuple[FakeLane, ...]:
    return tuple(FakeLane(version) for version in versions)


def test_the_lane_that_is_live_answers() -> None:
    world = World(Routing(lanes(1), lanes(2)), {"v1", "v2"})
    found = world.predict(b"x\n5\n6\n")
    assert world.asked == [("v1", b"1 5\n1 6\n")]
    ids = [verify(prediction["inference_id"], KEY) for prediction in found.predictions]
    assert [(read.version, read.lane, read.time_ms) for read in ids] == [(1, lane_digest("e", "v1"), 7)] * 2


def test_the_coming_lane_gets_its_own_encoding() -> None:
    world = World(Routing(lanes(1), lanes(2)), {"v2"})
    assert world.predict().lane.version == 2
    assert world.asked == [("v1", b"1 5\n"), ("v2", b"2 5\n")]


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
        predictor.predict("m", ONE, "text/csv", caller=CALLER, time_ms=1, timeout=0)


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

    def encode(self, records: Records) -> list[bytes]:
        if self.version == 1 and "region" in records.plain(0):
            raise InvalidRecords([FieldError(0, "region", "unknown field")])
        return super().encode(records)


def test_a_field_of_a_version_that_has_just_gone_live_is_no_mistake() -> None:
    """What the API said is live must be what predictions go by, though the routing is kept for some seconds."""

    def switched(world: World) -> None:
        world.routing = Routing((StrictLane(2),), ())

    world = World(Routing((StrictLane(1),), ()), {"v2"}, [switched])
    predictor = Predictor(world, world, lambda: KEY, world.pause, lambda: world.now)
    found = predictor.predict("m", b"region\n5\n", "text/csv", caller=CALLER, time_ms=0, timeout=10)
    assert found.lane.version == 2


def test_a_mistake_stays_one_and_costs_one_look_at_the_routing() -> None:
    looks: list[int] = []
    world = World(Routing((StrictLane(1),), ()), {"v1"}, [lambda _: looks.append(1)] * 2)
    predictor = Predictor(world, world, lambda: KEY, world.pause, lambda: world.now)
    with pytest.raises(InvalidRecords, match="unknown field"):
        predictor.predict("m", b"region\n5\n", "text/csv", caller=CALLER, time_ms=0, timeout=10)
    assert (looks, world.asked) == ([1], [])


def sharing(**fields: Any) -> Routing:
    """A champion, version 1, and a challenger, version 2, that has an endpoint of its own."""
    two = (FakeLane(1, 0.5), FakeLane(2, 0.5, "e2", "challenger"))
    return Routing(two, (), **{"cause": "0123abcd", "salt": "s", "subject": "who", **fields})


def names_of(slot: str, count: int, routing: Routing) -> list[str]:
    """Subjects that belong to a slot."""
    dealt = ((f"n{number}", shares(routing, [f"n{number}"], None)[0].slot) for number in range(100))
    return [name for name, found in dealt if found == slot][:count]


def test_records_of_several_subjects_are_split_by_lane_and_answered_in_order() -> None:
    routing = sharing()
    (a, b), (c, d) = names_of("champion", 2, routing), names_of("challenger", 2, routing)
    world = World(routing, {"v1", "v2"})
    trace = Trace()
    found = world.predict(f"who,x\n{c},1\n{a},2\n{d},3\n{b},4\n{c},5\n".encode(), trace=trace)
    assert sorted(world.asked) == [
        ("v1", f"1 {a} 2\n1 {b} 4\n".encode()),
        ("v2", f"2 {c} 1\n2 {d} 3\n2 {c} 5\n".encode()),
    ]
    assert [one["prediction"] for one in found.predictions] == [1, 2, 3, 4, 5]
    ids = [verify(one["inference_id"], KEY) for one in found.predictions]
    assert [(read.version, read.slot) for read in ids] == [
        (2, "challenger"),
        (1, "champion"),
        (2, "challenger"),
        (1, "champion"),
        (2, "challenger"),
    ]
    assert {read.cause for read in ids} == {"0123abcd"}
    assert [(one.assigned, one.cause, one.places, one.error) for one in trace.served] == [
        ("challenger", "0123abcd", (0, 2, 4), ""),
        ("champion", "0123abcd", (1, 3), ""),
    ]
    assert trace.subjects == [c, a, d, b, c]
    assert trace.buckets == [bucket(name, "s") for name in (c, a, d, b, c)] == [read.bucket for read in ids]


def test_a_header_names_the_subject_of_all_records_and_the_request_stands_in() -> None:
    routing = sharing()
    [there] = names_of("challenger", 1, routing)
    world = World(routing, {"v1", "v2"})
    found = world.predict(b"who,x\nada,1\nbob,2\n", Caller("r", there))
    assert {one.lane.slot for one in found.served} == {"challenger"}
    trace = Trace()
    world.predict(b"who,x\n,1\nbob,2\n", trace=trace)
    assert trace.subjects == ["request-1", "bob"]
    # the one that names nobody hangs together with no other; two of a request would
    assert trace.buckets == [None, bucket("bob", "s")]
    world.predict(b"who,x\n,1\n,2\n", trace=(both := Trace()))
    assert both.buckets == [bucket("request-1", "s")] * 2
    World(replace(routing, lanes=routing.lanes[:1]), {"v1"}).predict(ONE, trace=(alone := Trace()))
    assert alone.buckets == []


@pytest.mark.parametrize("error", [EndpointMissing("gone"), VariantRefused("v2")])
def test_the_champion_answers_for_a_lane_that_is_not_there_and_says_so(error: Exception) -> None:
    class Without2(World):
        def invoke(self, lane: Lane, body: bytes, inference_id: str, timeout: float) -> bytes:
            if lane.version == 2:
                raise error
            return super().invoke(lane, body, inference_id, timeout)

    routing = sharing()
    [there] = names_of("challenger", 1, routing)
    trace = Trace()
    found = Without2(routing, {"v1"}).predict(ONE, Caller("r", there), trace)
    read = verify(found.predictions[0]["inference_id"], KEY)
    assert (found.lane.version, read.slot, read.cause) == (1, "champion", None)
    [served] = trace.served
    assert (served.assigned, served.cause, served.in_place, served.tries) == ("challenger", "0123abcd", False, 2)


def test_a_failure_of_one_lane_is_the_requests_and_stands_in_the_trace() -> None:
    routing = sharing()
    [here], [there] = names_of("champion", 1, routing), names_of("challenger", 1, routing)

    class Failing2(World):
        def invoke(self, lane: Lane, body: bytes, inference_id: str, timeout: float) -> bytes:
            if lane.version == 2:
                raise ModelFailed("boom")
            return super().invoke(lane, body, inference_id, timeout)

    trace = Trace()
    with pytest.raises(ModelFailed, match="boom"):
        Failing2(routing, {"v1"}).predict(f"who,x\n{here},1\n{there},2\n".encode(), trace=trace)
    assert [(one.assigned, one.error) for one in trace.served] == [("champion", ""), ("challenger", "ModelFailed")]


def test_a_tester_chooses_a_lane_and_counts_in_no_experiment() -> None:
    for name, version in (("champion", 1), ("challenger", 2), ("v2", 2), ("shadow", 3), ("v3", 3), ("v4", 4)):
        routing = replace(sharing(), shadow=FakeLane(3, 1, "e3", "shadow"), coming=lanes(4))
        trace = Trace()
        found = World(routing, {"v1", "v2", "v3", "v4"}).predict(ONE, Caller("r", None, name), trace)
        assert found.lane.version == version
        assert trace.served[0].cause is None
        assert verify(found.predictions[0]["inference_id"], KEY).cause is None


def test_a_testers_lane_has_no_stand_in() -> None:
    world = World(sharing(), {"v1"}, [lambda world: None] * 50)
    with pytest.raises(Unavailable):
        world.predict(ONE, Caller("r", None, "challenger"))
    assert {variant for variant, _ in world.asked} == {"v2"}


@pytest.mark.parametrize(("testers", "words"), [(True, "accepted are champion, v1, challenger, v2"), (False, "nobody")])
def test_a_lane_that_nobody_has_is_refused_with_those_there_are(testers: bool, words: str) -> None:
    with pytest.raises(UnknownLane, match=words):
        World(sharing(testers=testers), set()).predict(ONE, Caller("r", None, "v9"))


def test_mistakes_of_all_lanes_are_told_together_in_the_records_order() -> None:
    class Picky(FakeLane):
        def encode(self, records: Records) -> list[bytes]:
            raise InvalidRecords([FieldError(records.place(n), "", "no") for n in range(len(records.rows))])

    two = (Picky(1, 0.5), Picky(2, 0.5, "e2", "challenger"))
    routing = replace(sharing(), lanes=two)
    [here], [there] = names_of("champion", 1, routing), names_of("challenger", 1, routing)
    trace = Trace()
    with pytest.raises(InvalidRecords) as caught:
        World(routing, set()).predict(f"who\n{there}\n{here}\n{there}\n".encode(), trace=trace)
    assert [one.record for one in caught.value.errors] == [0, 1, 2]
    assert trace.served == []


def test_a_lane_that_the_routing_lost_meanwhile_leaves_its_subjects_to_the_champion() -> None:
    routing = sharing()
    [there] = names_of("challenger", 1, routing)

    def over(world: World) -> None:
        world.routing = Routing(lanes(3), ())
        world.present = {"v3"}

    world = World(routing, set(), [over])
    assert world.predict(ONE, Caller("r", there)).lane.version == 3
    assert [one.slot for one in candidates(Routing(lanes(3), ()), shares(routing, [there], None)[0])] == ["champion"]
