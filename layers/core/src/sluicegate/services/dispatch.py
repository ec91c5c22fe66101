"""Lanes of traffic, and which of them answer for the records of a request. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sluicegate.domain import traffic
from sluicegate.domain.errors import SluicegateError
from sluicegate.domain.records import Records

if TYPE_CHECKING:
    from sluicegate.domain.local_models import LocalModel

#: the states of a model's endpoint (see ``domain.lifecycle``) that requests are told of
SERVING, ASLEEP, WAKING = "serving", "asleep", "waking"


class UnknownLane(SluicegateError):
    """The caller asked for a lane by a name that no lane has."""


class Lane(Protocol):
    """Where a version answers, and how to speak to it."""

    @property
    def slot(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def shifting_to(self) -> int | None:
        """The version that may answer instead, under the same variant name, while SageMaker shifts the endpoint."""
        ...

    @property
    def weight(self) -> float: ...
    @property
    def content_type(self) -> str: ...
    @property
    def accept(self) -> str: ...

    def encode(self, records: Records) -> list[bytes]:
        """Each record of a request as the version reads it; put together they are a request to the endpoint.
        Raises ``domain.records.InvalidRecords``."""
        ...

    def decode(self, answer: bytes) -> list[dict[str, Any]]:
        """{prediction, probabilities?} a record. Raises ValueError if the answer isn't the model's."""
        ...

    @property
    def local(self) -> str | None:
        """Where the version's model lies that can be evaluated without an endpoint; None: it can't."""
        ...

    def evaluate(self, model: LocalModel, records: Sequence[bytes]) -> list[dict[str, Any]]:
        """What ``decode`` gives of the endpoint's answer to the encoded ``records``, by ``model`` instead."""
        ...


@dataclass(frozen=True)
class Routing:
    """``lanes`` share the requests by weight; ``coming`` are tried where a champion is not there (any more).

    ``cause`` is the experiment that shares the traffic and counts, ``salt`` goes into the assignment, ``subject`` is
    the field of a record that names its subject. ``shadow`` sees a share (``shadow_sample``) of copies afterwards;
    ``log_sample`` is the share of requests whose records are logged. ``state`` says whether the endpoint is there.
    """

    lanes: tuple[Lane, ...]
    coming: tuple[Lane, ...]
    cause: str | None = None
    salt: str = ""
    subject: str | None = None
    testers: bool = True
    shadow: Lane | None = None
    shadow_sample: float = 0.0
    log_sample: float = 1.0
    log_records: bool = True
    state: str = SERVING


@dataclass(frozen=True)
class Caller:
    """Who asks: ``subject`` and ``lane`` (of a tester) as the request names them."""

    request_id: str
    subject: str | None = None
    lane: str | None = None


@dataclass(frozen=True)
class Share:
    """The records of a request that one lane is to answer. ``lane``: the name a tester asked for."""

    slot: str
    places: tuple[int, ...]
    lane: str | None = None


def subjects(routing: Routing, records: Records, caller: Caller) -> list[str]:
    """Of each record: what the caller's header says, else the record's field, else the request."""
    count = len(records.rows)
    if caller.subject is not None:
        return [caller.subject] * count
    if routing.subject is None:
        return [caller.request_id] * count
    named = routing.subject
    return [traffic.subject_of(records.plain(place), named) or caller.request_id for place in range(count)]


def buckets(routing: Routing, subjects: Sequence[str], request_id: str) -> list[int | None]:
    """Of each record the bucket of its subject, where an experiment's lanes share the traffic. A request's only record
    that names no subject hangs together with no other, so it has none. [] where nothing is compared."""
    if routing.cause is None or len(routing.lanes) < 2:
        return []
    alone = request_id if subjects.count(request_id) == 1 else None
    found = {one: None if one == alone else traffic.bucket(one, routing.salt) for one in dict.fromkeys(subjects)}
    return [found[subject] for subject in subjects]


def shares(routing: Routing, subjects: Sequence[str], lane: str | None) -> list[Share]:
    """The lanes' shares of a request. ``lane`` is what a tester asked for. Raises `UnknownLane`."""
    everything = tuple(range(len(subjects)))
    if lane is not None:
        return [Share(_named(routing, lane).slot, everything, lane)]
    if len(routing.lanes) < 2 or not subjects:
        return [Share((*routing.lanes, *routing.coming)[0].slot, everything)]
    weights = {one.slot: one.weight for one in routing.lanes}
    dealt = {subject: traffic.assign(subject, weights, routing.salt) for subject in dict.fromkeys(subjects)}
    places = traffic.positions([dealt[subject] for subject in subjects])
    return [Share(slot, tuple(found)) for slot, found in places.items()]


@dataclass(frozen=True)
class Told:
    """What the inference ids of a lane's answers say: where they count, and each one's bucket."""

    cause: str | None = None
    buckets: Sequence[int | None] = ()


def told(routing: Routing, lane: Lane, share: Share, buckets: Sequence[int | None]) -> Told:
    """``buckets``: of the request's records. What a tester asked for, or another lane answered, counts nowhere."""
    if share.lane is not None or lane.slot != share.slot:
        return Told()
    return Told(routing.cause, [buckets[place] for place in share.places] if buckets else ())


def _named(routing: Routing, name: str) -> Lane:
    shadow = (routing.shadow,) if routing.shadow is not None else ()
    lanes: tuple[Lane, ...] = (*routing.lanes, *shadow, *routing.coming)
    if not routing.testers:
        raise UnknownLane("this model lets nobody choose a lane")
    found = next((lane for lane in lanes if name in (lane.slot, f"v{lane.version}")), None)
    if found is not None:
        return found
    known = ", ".join(dict.fromkeys(said for lane in lanes for said in (lane.slot, f"v{lane.version}")))
    raise UnknownLane(f"X-Lane: given {name[:60]!r}; accepted are {known}")


def candidates(routing: Routing, share: Share) -> list[Lane]:
    """The share's lane first, then those that may have taken its place. A tester's lane has no stand-in but a version
    that takes the champion's place."""
    if share.lane is not None:
        lane = _named(routing, share.lane)
        stands_in = share.lane == lane.slot == traffic.CHAMPION
        return [lane, *(one for one in routing.coming if stands_in and one is not lane)]
    own = [lane for lane in routing.lanes if lane.slot == share.slot]
    champions = [lane for lane in routing.lanes if lane.slot == traffic.CHAMPION and lane not in own]
    return [*own, *champions, *routing.coming] or list(routing.lanes[:1])


def targets(routing: Routing) -> tuple[str, list[tuple[str, str]]]:
    return routing.state, [(lane.endpoint, lane.variant) for lane in (*routing.lanes, *routing.coming)]
