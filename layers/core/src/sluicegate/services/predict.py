"""Records in, predictions out, while endpoints come, change and go.

A record is never scored by a version that it was not encoded for: each lane has its own encoder, and the request names
the lane's variant. When SageMaker refuses the variant, the endpoint is switching: the coming lane is tried, then the
routing is read again, for a few seconds. No database is asked.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sluicegate.domain.errors import SluicegateError, Transient
from sluicegate.domain.inference_id import issue_many
from sluicegate.domain.recordio import MAGIC
from sluicegate.domain.records import InvalidRecords, RecordLimits

#: what a request may hold
LIMITS = RecordLimits(records=1000, bytes=4 * 1024 * 1024)
#: a real-time endpoint takes 6 MiB, a serverless one 4 MiB
LARGEST_PAYLOAD = 4 * 1024 * 1024
#: how long a request waits for an endpoint that is switching versions, seconds
SWITCH_SECONDS = 4.0
_FIRST_PAUSE = 0.03
#: the start of a frame of RecordIO
_FRAME = MAGIC.to_bytes(4, "little")


class NotLive(SluicegateError):
    """There is no routing for the model: it doesn't exist, or no version of it ever went live."""


class Unavailable(SluicegateError):
    """The endpoint can't answer now but will. ``retry_after`` in seconds."""

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


class Lane(Protocol):
    """Where a version answers, and how to speak to it."""

    @property
    def version(self) -> int: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def content_type(self) -> str: ...
    @property
    def accept(self) -> str: ...

    def encode(self, body: bytes, content_type: str) -> list[bytes]:
        """Each record of a request's body as the version reads it; put together they are a request to the endpoint.
        Raises ``domain.records.InvalidRecords``."""
        ...

    def decode(self, answer: bytes) -> list[dict[str, Any]]:
        """{prediction, probabilities?} a record. Raises ValueError if the answer isn't the model's."""
        ...


@dataclass(frozen=True)
class Routing:
    lanes: tuple[Lane, ...]
    coming: tuple[Lane, ...]


class Routes(Protocol):
    def read(self, model: str, *, fresh: bool = False) -> Routing | None: ...


class Endpoints(Protocol):
    def invoke(self, lane: Lane, body: bytes, inference_id: str, timeout: float) -> bytes:
        """Raises `VariantRefused`, `EndpointMissing`, `ModelFailed`, `Transient`."""
        ...


@dataclass(frozen=True)
class Predicted:
    lane: Lane
    predictions: list[dict[str, Any]]  # {prediction, probabilities?, inference_id}
    tries: int


@dataclass
class Predictor:
    """The use case; ``key`` gives the secret that authenticates inference ids."""

    routes: Routes
    endpoints: Endpoints
    key: Callable[[], bytes]
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def predict(
        self, model: str, body: bytes, content_type: str, *, subject: str, time_ms: int, timeout: float
    ) -> Predicted:
        """Predictions in the records' order.

        ``subject`` decides between several lanes; ``timeout`` (seconds) bounds everything.
        Raises `NotLive`, `Unavailable`, `ModelFailed`, `TooLarge`, `Transient`, and ``domain.records.InvalidRecords``.
        """
        start = self.clock()
        deadline = start + timeout
        give_up = min(deadline, start + SWITCH_SECONDS)
        routing = self.routes.read(model)
        wait, tries, fresh = _FIRST_PAUSE, 0, False
        while True:
            if routing is None or not (routing.lanes or routing.coming):
                raise NotLive(model)
            missing: EndpointMissing | None = None
            invalid: InvalidRecords | None = None
            for lane in candidates(routing, subject):
                try:
                    records = lane.encode(body, content_type)
                except InvalidRecords as error:
                    if fresh or not any(one.field for one in error.errors):
                        raise
                    # the routing is some seconds old: the fields may be those of a version that is live since
                    invalid = error
                    break
                tries += 1
                try:
                    answers = self._ask(model, lane, records, time_ms, deadline)
                except VariantRefused:
                    continue
                except EndpointMissing as error:
                    missing = error
                    continue
                return Predicted(lane, answers, tries)
            before = _targets(routing)
            routing, fresh = self.routes.read(model, fresh=True), True
            unchanged = routing is not None and _targets(routing) == before
            if invalid is not None:
                if unchanged:
                    raise invalid
                continue
            if missing is not None and unchanged:
                raise Unavailable(self._why(model, routing), retry_after=5) from missing
            if self.clock() + wait > give_up:
                raise Unavailable(f"The endpoint of {model} is changing versions.", retry_after=2)
            if unchanged:
                self.pause(wait)
                wait *= 2

    @staticmethod
    def _why(model: str, routing: Routing | None) -> str:
        if routing is not None and not routing.lanes:
            return f"Version {routing.coming[0].version} of {model} is being deployed; it isn't in service yet."
        return f"The endpoint of {model} is not in service."

    def _ask(
        self, model: str, lane: Lane, records: Sequence[bytes], time_ms: int, deadline: float
    ) -> list[dict[str, Any]]:
        pieces = parts(records, LARGEST_PAYLOAD)
        count = sum(number for _, number in pieces)
        ids = list(issue_many(self.key(), model, lane.version, lane.endpoint, lane.variant, time_ms, count))
        answers: list[dict[str, Any]] = []
        for piece, number in pieces:
            left = deadline - self.clock()
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


def candidates(routing: Routing, subject: str) -> list[Lane]:
    """The lane for this subject first, then those that may have taken its place."""
    lanes = list(routing.lanes)
    if len(lanes) > 1:
        chosen = choose(lanes, subject)
        return [chosen, *routing.coming]
    return [*lanes, *routing.coming]


def choose(lanes: Sequence[Lane], subject: str) -> Lane:
    """One of the lanes, by weight; the same subject always gets the same one."""
    point = int.from_bytes(hashlib.sha256(subject.encode()).digest()[:8], "big") / 2**64
    total = sum(lane.weight for lane in lanes)
    reached = 0.0
    for lane in lanes:
        reached += lane.weight / total if total > 0 else 1 / len(lanes)
        if point < reached:
            return lane
    return lanes[-1]


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


def _targets(routing: Routing) -> list[tuple[str, str]]:
    return [(lane.endpoint, lane.variant) for lane in (*routing.lanes, *routing.coming)]
