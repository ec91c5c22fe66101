"""A shadow: a version that sees copies of answered requests, whose answers are compared and go to nobody.

Nothing runs in a Lambda function after it answered, so ``predict`` can't send the copies, and nobody may wait for them
before it answers. They are sent by the prediction log's writer: from the log it has the records and the answers that
callers got. A shadow that fails or is slow costs it time and nobody else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluicegate.domain.errors import SluicegateError
from sluicegate.domain.experiment.tally import Latency, Tally
from sluicegate.domain.records import Records
from sluicegate.domain.traffic import SHADOW
from sluicegate.ports import Fact, Place
from sluicegate.services.dispatch import Lane, Routing
from sluicegate.services.predict import LARGEST_PAYLOAD, Endpoints, Routes, parts
from sluicegate.services.prediction_log import sampled
from sluicegate.services.tallies import hour_of

log = logging.getLogger(__name__)

#: where the differences of answers are summed, beside the shadow's own numbers
DIFFERENCE = "shadow-difference"
#: seconds for one line's records, and for all of a batch: the log's writer has other work
_TIMEOUT = 30.0
_BUDGET = 120.0
#: numbers of two models agree when they are within this share of the greater
_SAME = 0.01


@dataclass(frozen=True)
class Compared:
    """One line of the prediction log, sent to the shadow: ``answers`` in its records' order, or none (``error``)."""

    line: Mapping[str, Any]
    cause: str
    version: int
    answers: Sequence[Mapping[str, Any]]
    milliseconds: float
    error: str = ""

    def rows(self) -> list[dict[str, Any]]:
        """What is kept: who answered what beside what the caller got."""
        head = {"version": self.version, "latency_ms": self.milliseconds, "cause": self.cause}
        if self.error:
            return [{"shadow": {**head, "error": self.error, "count": len(self.line["content"]["ids"])}}]
        found = []
        for name, given, answer in self._pairs():
            agrees, difference = compared(given, answer)
            found.append(
                {"inference_id": name, "shadow": {**head, **answer, "agrees": agrees, "difference": difference}}
            )
        return found

    def fact(self) -> Fact:
        """Agreements as outcomes of the shadow's lane, differences as outcomes of a lane of their own."""
        count = len(self.line["content"]["ids"])
        once = f"shadow:{self.version}:{self.line['request']}:{self.line['part']}"
        place = Place(self.cause, SHADOW, hour_of(self.line["at"]))
        if self.error:
            return Fact(once, {place: Tally(exposures=count, errors=count)})
        pairs = [compared(given, answer) for _, given, answer in self._pairs()]
        agreed = float(sum(agrees for agrees, _ in pairs))
        sizes = [difference for _, difference in pairs if difference is not None]
        latency = Latency.of(self.milliseconds)
        seen = Tally(exposures=count, outcomes=count, total=agreed, squares=agreed, latency=latency)
        apart = Tally(outcomes=len(sizes), total=sum(sizes), squares=sum(size * size for size in sizes))
        return Fact(once, {place: seen, Place(self.cause, DIFFERENCE, place.hour): apart})

    def _pairs(self) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        content = self.line["content"]
        return list(zip(content["ids"], content["predictions"], self.answers, strict=True))


@dataclass
class Shadow:
    routes: Routes
    endpoints: Endpoints
    clock: Callable[[], float] = time.monotonic

    def compare(self, model: str, lines: Sequence[Mapping[str, Any]]) -> list[Compared]:
        """Of the lines that belong to the shadow's sample and have records, what it answers. Never raises what the
        shadow or its routing do wrong."""
        # a tester's request, and one of before there was a shadow, has no part in this
        kept = [line for line in lines if line.get("cause") and line["content"].get("records")]
        routing = self._routing(model) if kept else None
        if routing is None or routing.shadow is None:
            return []
        own = [line for line in kept if line["cause"] == routing.cause]
        chosen = [line for line in own if sampled(f"shadow:{line['request']}", routing.shadow_sample)]
        end = self.clock() + _BUDGET
        found: list[Compared] = []
        for line in chosen:
            if self.clock() > end:
                log.warning("the shadow of %s is too slow: %d lines go without", model, len(chosen) - len(found))
                break
            found.append(self._ask(routing.shadow, line))
        return found

    def _routing(self, model: str) -> Routing | None:
        try:
            return self.routes.read(model)
        except SluicegateError as error:
            log.warning("no shadow for %s: its routing can't be read: %s", model, error)
            return None

    def _ask(self, lane: Lane, line: Mapping[str, Any]) -> Compared:
        content = line["content"]
        start = self.clock()
        answers: list[Mapping[str, Any]] = []
        error = ""
        try:
            for body, count in parts(lane.encode(_records(line)), LARGEST_PAYLOAD):
                left = max(0.1, _TIMEOUT - (self.clock() - start))
                found = lane.decode(self.endpoints.invoke(lane, body, content["ids"][len(answers)], left))
                if len(found) != count:
                    raise ValueError(f"{count} records were sent and {len(found)} predictions came back")
                answers += found
        except (SluicegateError, ValueError) as failure:
            error = type(failure).__name__
            log.warning("the shadow of version %s failed: %s", lane.version, failure)
        return Compared(line, str(line["cause"]), lane.version, answers, round((self.clock() - start) * 1000, 3), error)


def _records(line: Mapping[str, Any]) -> Records:
    """The line's records as they were sent."""
    rows = line["content"]["records"]
    if line.get("csv"):
        return Records([list(row.values()) for row in rows], tuple(rows[0]))
    return Records(rows)


def compared(given: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[bool, float | None]:
    """Whether two predictions agree, and how far they are apart: the greatest difference of a class's probability, of
    numbers the difference, of others (clusters, projections of two spaces) none.

    >>> compared({"prediction": "yes", "probabilities": {"no": 0.25, "yes": 0.75}},
    ...          {"prediction": "yes", "probabilities": {"no": 0.5, "yes": 0.5}})
    (True, 0.25)
    >>> compared({"prediction": 2.0}, {"prediction": 2.5})
    (False, 0.5)
    """
    one, other = given["prediction"], answer["prediction"]
    mine, its = given.get("probabilities"), answer.get("probabilities")
    if mine is not None and its is not None:
        return one == other, max(abs(mine.get(name, 0.0) - its.get(name, 0.0)) for name in {*mine, *its})
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        apart = abs(one - other)
        near = _SAME * max(abs(one), abs(other)) if isinstance(one, float) or isinstance(other, float) else 0
        return apart <= near, apart
    return one == other, None
