"""Records in, predictions out, while endpoints come, change and go.

A record is never scored by a version that it was not encoded for: each lane has its own encoder, and the request names
the lane's variant. When SageMaker refuses the variant, the endpoint is switching: the coming lane is tried, then the
routing is read again, for a few seconds. A lane of an experiment that isn't there is answered for by the champion.
While an endpoint sleeps, wakes or fails, a model that can be evaluated without it is (``services.stand_in``). No
database is asked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sluicegate.domain.errors import SluicegateError, Transient
from sluicegate.domain.inference_id import issue_many
from sluicegate.domain.recordio import MAGIC
from sluicegate.domain.records import InvalidRecords, RecordLimits, Records, read_records
from sluicegate.services.dispatch import (
    ASLEEP,
    SERVING,
    Caller,
    Lane,
    Routing,
    Share,
    Told,
    buckets,
    candidates,
    shares,
    subjects,
    targets,
    told,
)
from sluicegate.services.stand_in import ENDPOINT, FUNCTION, NoStandIn, StandIn

log = logging.getLogger(__name__)

#: what a request may hold
LIMITS = RecordLimits(records=1000, bytes=4 * 1024 * 1024)
#: a real-time endpoint takes 6 MiB, a serverless one 4 MiB
LARGEST_PAYLOAD = 4 * 1024 * 1024
#: how long a request waits for an endpoint that is switching versions, seconds
SWITCH_SECONDS = 4.0
_FIRST_PAUSE = 0.03
#: when to ask again for an endpoint that wakes: SageMaker takes some minutes
WAKE_SECONDS = 15
#: the start of a frame of RecordIO
_FRAME = MAGIC.to_bytes(4, "little")


class NotLive(SluicegateError):
    """There is no routing for the model: it doesn't exist, or no version of it ever went live."""


class Unavailable(SluicegateError):
    """The endpoint can't answer now but will. ``retry_after`` in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Waking(SluicegateError):
    """The endpoint slept and is being woken; the model can't be evaluated without it. ``retry_after`` in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class VariantRefused(SluicegateError):
    """The endpoint runs, but not with this variant (any more, or yet)."""


class EndpointMissing(SluicegateError):
    """There is no such endpoint, or it isn't up yet."""


class ModelFailed(SluicegateError):
    """The endpoint took the request and answered with an error of the model's own."""


class TooLarge(SluicegateError):
    """One record alone is larger than an endpoint takes."""


class Routes(Protocol):
    def read(self, model: str, *, fresh: bool = False) -> Routing | None: ...


class Endpoints(Protocol):
    def invoke(self, lane: Lane, body: bytes, inference_id: str, timeout: float) -> bytes:
        """Raises `VariantRefused`, `EndpointMissing`, `ModelFailed`, `Transient`."""
        ...


@dataclass(frozen=True)
class Served:
    """What became of a share: ``lane`` answered in ``seconds``, or was the last to fail with ``error``.

    ``cause`` is set when that counts in an experiment: not when a tester chose the lane. ``assigned`` is the slot the
    subjects belong to; where another lane had to answer for it, the answers count in no experiment.
    """

    lane: Lane
    assigned: str
    cause: str | None
    places: tuple[int, ...]
    predictions: list[dict[str, Any]]
    tries: int
    seconds: float
    error: str = ""
    served_by: str = ENDPOINT

    @property
    def in_place(self) -> bool:
        return self.lane.slot == self.assigned


@dataclass(frozen=True)
class Predicted:
    served: tuple[Served, ...]
    predictions: list[dict[str, Any]]  # {prediction, probabilities?, inference_id}, in the records' order
    shared: bool = False  # more than one lane could have answered

    @property
    def lane(self) -> Lane:
        """The lane of the first record."""
        return self.served[0].lane

    @property
    def tries(self) -> int:
        return sum(one.tries for one in self.served)


@dataclass
class Trace:
    """What a request did, for the prediction log; filled also when the request fails."""

    routing: Routing | None = None
    records: Records | None = None
    subjects: list[str] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)
    buckets: list[int | None] = field(default_factory=list)


@dataclass(frozen=True)
class _Work:
    """One request while it is worked on."""

    model: str
    records: Records
    time_ms: int
    deadline: float
    give_up: float
    buckets: Sequence[int | None] = ()


@dataclass
class Predictor:
    """The use case; ``key`` gives the secret that authenticates inference ids."""

    routes: Routes
    endpoints: Endpoints
    key: Callable[[], bytes]
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    stand_in: StandIn = field(default_factory=NoStandIn)

    def predict(
        self,
        model: str,
        body: bytes,
        content_type: str,
        *,
        caller: Caller,
        time_ms: int,
        timeout: float,
        trace: Trace | None = None,
    ) -> Predicted:
        """Predictions in the records' order.

        ``timeout`` (seconds) bounds everything.
        Raises `NotLive`, `Unavailable`, `Waking`, `ModelFailed`, `TooLarge`, `UnknownLane`, `Transient`, and
        ``domain.records.InvalidRecords``.
        """
        start = self.clock()
        trace = trace or Trace()
        routing = self.routes.read(model)
        if routing is None or not (routing.lanes or routing.coming):
            raise NotLive(model)
        records = read_records(body, content_type, LIMITS)
        trace.routing, trace.records, trace.subjects = routing, records, subjects(routing, records, caller)
        trace.buckets = buckets(routing, trace.subjects, caller.request_id)
        give_up = start + min(timeout, SWITCH_SECONDS)
        work = _Work(model, records, time_ms, start + timeout, give_up, trace.buckets)
        shared = shares(routing, trace.subjects, caller.lane)
        self._serve_all(work, routing, shared, trace)
        if len(trace.served) == 1:
            predictions = trace.served[0].predictions
        else:
            placed = {p: found for one in trace.served for p, found in zip(one.places, one.predictions, strict=True)}
            predictions = [placed[place] for place in range(len(records.rows))]
        return Predicted(tuple(trace.served), predictions, len(routing.lanes) > 1)

    def _serve_all(self, work: _Work, routing: Routing, shared: Sequence[Share], trace: Trace) -> None:
        """Lanes are asked side by side. Mistakes in the records are told together; otherwise the first failure."""
        if len(shared) == 1:
            outcomes = [self._outcome(work, routing, shared[0])]
        else:
            from concurrent.futures import ThreadPoolExecutor  # only when lanes share a request

            with ThreadPoolExecutor(len(shared)) as pool:
                outcomes = list(pool.map(lambda share: self._outcome(work, routing, share), shared))
        trace.served += [served for served, _ in outcomes if served is not None]
        errors = [error for _, error in outcomes if error is not None]
        invalid = [error for error in errors if isinstance(error, InvalidRecords)]
        if len(invalid) > 1:
            mistakes = dict.fromkeys(one for error in invalid for one in error.errors)
            raise InvalidRecords(sorted(mistakes, key=lambda one: -1 if one.record is None else one.record))
        for error in (*invalid, *errors):
            raise error

    def _outcome(self, work: _Work, routing: Routing, share: Share) -> tuple[Served | None, SluicegateError | None]:
        """What a share came to, for the trace, and why it failed."""
        asked: list[tuple[Lane, float]] = []
        try:
            return self._serve(work, routing, share, asked), None
        except SluicegateError as error:
            if not asked or isinstance(error, Waking):  # nobody was asked: it is no failure of a lane
                return None, error
            lane, since = asked[0]
            cause = routing.cause if share.lane is None else None
            seconds = self.clock() - since
            return Served(lane, share.slot, cause, share.places, [], len(asked), seconds, type(error).__name__), error

    def _serve(self, work: _Work, routing: Routing, share: Share, asked: list[tuple[Lane, float]]) -> Served:
        """Adds to ``asked`` each lane that was asked, and when."""
        everything = len(share.places) == len(work.records.rows)
        records = work.records if everything else work.records.only(share.places)
        wait, fresh = _FIRST_PAUSE, False
        found: Routing | None = routing
        while True:
            if found is None or not (found.lanes or found.coming):
                raise NotLive(work.model)
            missing: EndpointMissing | None = None
            invalid: InvalidRecords | None = None
            for lane in candidates(found, share):
                try:
                    encoded = lane.encode(records)
                except InvalidRecords as error:
                    if fresh or not any(one.field for one in error.errors):
                        raise
                    # the routing is some seconds old: the fields may be those of a version that is live since
                    invalid = error
                    break
                start = self.clock()
                asked.append((lane, start))
                said = told(found, lane, share, work.buckets)
                try:
                    answers, served_by = self._answers(work, found, lane, encoded, said)
                except VariantRefused:
                    continue
                except EndpointMissing as error:
                    missing = error
                    continue
                cause = found.cause if share.lane is None else None
                seconds = self.clock() - start
                tries = len(asked)
                return Served(lane, share.slot, cause, share.places, answers, tries, seconds, served_by=served_by)
            before = targets(found)
            found, fresh = self.routes.read(work.model, fresh=True), True
            unchanged = found is not None and targets(found) == before
            if invalid is not None:
                if unchanged:
                    raise invalid
                continue
            if unchanged and found is not None and found.state != SERVING:
                self.stand_in.wake(work.model, work.time_ms)
                raise Waking(
                    f"The endpoint of {work.model} was shut down because nobody called it, and wakes now.", WAKE_SECONDS
                )
            if missing is not None and unchanged:
                raise Unavailable(self._why(work.model, found), retry_after=5) from missing
            if self.clock() + wait > work.give_up:
                raise Unavailable(f"The endpoint of {work.model} is changing versions.", retry_after=2)
            if unchanged:
                self.pause(wait)
                wait *= 2

    @staticmethod
    def _why(model: str, routing: Routing | None) -> str:
        if routing is not None and not routing.lanes:
            return f"Version {routing.coming[0].version} of {model} is being deployed; it isn't in service yet."
        return f"The endpoint of {model} is not in service."

    def _answers(
        self, work: _Work, routing: Routing, lane: Lane, records: Sequence[bytes], said: Told
    ) -> tuple[list[dict[str, Any]], str]:
        """By the endpoint, or in its absence by the model itself, and which of them. A version that is still coming is
        not in force yet, so only its endpoint may answer for it."""
        if routing.state == SERVING:
            try:
                return self._ask(work, lane, records, said), ENDPOINT
            except (EndpointMissing, Transient) as error:
                answers = self._evaluated(work, routing, lane, records, said)
                if answers is None:
                    raise
                log.warning("%s: the function answered instead: %s", lane.endpoint, error)
                if isinstance(error, EndpointMissing):
                    self._wake_if_asleep(work, self.routes.read(work.model, fresh=True))
                return answers, FUNCTION
        answers = self._evaluated(work, routing, lane, records, said)
        if answers is None:
            raise EndpointMissing(f"the endpoint is {routing.state}")
        self._wake_if_asleep(work, routing)
        return answers, FUNCTION

    def _evaluated(
        self, work: _Work, routing: Routing, lane: Lane, records: Sequence[bytes], said: Told
    ) -> list[dict[str, Any]] | None:
        if any(lane is coming for coming in routing.coming):
            return None
        answers = self.stand_in.answer(lane, records)
        if answers is not None:
            for prediction, inference_id in zip(answers, self._ids(work, lane, len(answers), said), strict=True):
                prediction["inference_id"] = inference_id
        return answers

    def _wake_if_asleep(self, work: _Work, routing: Routing | None) -> None:
        """The caller has an answer already: that nobody could be asked to wake the endpoint does not take it away."""
        if routing is not None and routing.state == ASLEEP:
            try:
                self.stand_in.wake(work.model, work.time_ms)
            except Transient as error:
                log.warning("the endpoint of %s is not woken yet: %s", work.model, error)

    def _ids(self, work: _Work, lane: Lane, count: int, said: Told) -> list[str]:
        return list(
            issue_many(
                self.key(),
                work.model,
                lane.version,
                lane.endpoint,
                lane.variant,
                work.time_ms,
                count,
                slot=lane.slot,
                cause=said.cause,
                buckets=said.buckets,
            )
        )

    def _ask(self, work: _Work, lane: Lane, records: Sequence[bytes], said: Told) -> list[dict[str, Any]]:
        pieces = parts(records, LARGEST_PAYLOAD)
        ids = self._ids(work, lane, sum(number for _, number in pieces), said)
        answers: list[dict[str, Any]] = []
        for piece, number in pieces:
            left = work.deadline - self.clock()
            if left <= 0:
                raise Transient("the endpoint took too long")
            answer = self.endpoints.invoke(lane, piece, ids[len(answers)], left)
            try:
                found = lane.decode(answer)
            except ValueError as error:
                raise ModelFailed(f"the endpoint's answer can't be read: {error}") from error
            if len(found) != number:
                raise ModelFailed(f"{number} records were sent and {len(found)} predictions came back")
            answers += found
        for prediction, inference_id in zip(answers, ids, strict=True):
            prediction["inference_id"] = inference_id
        return answers


def parts(records: Sequence[bytes], largest: int) -> list[tuple[bytes, int]]:
    """The records put together in pieces of at most ``largest`` bytes, each with its number of records.

    >>> parts([b"1\\n", b"22\\n", b"3\\n"], 5)
    [(b'1\\n22\\n', 2), (b'3\\n', 1)]
    """
    whole = b"".join(records)
    if len(whole) <= largest:
        return [(whole, len(records))]
    pieces: list[tuple[bytes, int]] = []
    current: list[bytes] = []
    size = 0
    for record in records:
        if len(record) > largest:
            raise TooLarge(f"one record has {len(record):,} bytes when encoded; an endpoint takes {largest:,}")
        if size + len(record) > largest:
            pieces.append((b"".join(current), len(current)))
            current, size = [], 0
        current.append(record)
        size += len(record)
    pieces.append((b"".join(current), len(current)))
    return pieces
