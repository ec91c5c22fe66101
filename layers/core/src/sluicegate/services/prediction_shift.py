"""How far the predictions of a version that comes in are from those of its evaluation: by the prediction log."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluicegate.domain import drift
from sluicegate.domain.distribution import Distribution
from sluicegate.domain.errors import NotFound
from sluicegate.domain.items import VersionItem
from sluicegate.domain.observed import spoken
from sluicegate.domain.schema import Problem, Value
from sluicegate.ports import Storage
from sluicegate.services import datasets
from sluicegate.services.drift_log import PredictionLog, Read, hours, when
from sluicegate.services.stand_in import ENDPOINT

log = logging.getLogger(__name__)

#: a population stability index from .25 on is called a large shift in its literature; the test must be sure as well
THRESHOLDS = drift.Thresholds(psi=0.25, rate=0.01, rows=200)
#: files of one look, a fair sample where there are more; reading one takes about 30 ms
_MOST_FILES = 200
_LARGEST_REPORT = 16 * 1024 * 1024


@dataclass(frozen=True)
class Shift:
    """``distance``: the population stability index of ``rows`` predictions, 0 where it may be chance."""

    distance: float
    rows: int
    reason: str

    @property
    def large(self) -> bool:
        return self.distance >= THRESHOLDS.psi


class PredictionShift:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._log = PredictionLog(storage)

    def of(self, version: VersionItem, since: datetime, until: datetime, *, whole_log: bool = False) -> Shift | None:
        """How far its predictions since then are from the evaluation's; None while they are too few.

        With ``whole_log`` every answer of an endpoint since then counts as the version's, whatever its line says.
        """
        expected = self._expected(version)
        if expected is None:
            return None
        model, number = version["model"], version["version"]
        document = datasets.of_version(self._storage, model, number, version["dataset_version"])
        problem = Problem.from_json(datasets.problem_of(document, version))
        files = self._log.predictions(model, hours(since, until + timedelta(seconds=1)))[:_MOST_FILES]
        said: dict[str, Value] = {}  # by id: a file of the log may come twice
        for line in self._log.lines(files, Read()):
            at = when(line)
            own = line.get("served_by") == ENDPOINT if whole_log else line.get("version") == number
            if own and at is not None and at >= since:
                value = spoken(problem, line)
                if value is not None:
                    said[str(line.get("inference_id"))] = value
        seen = expected.counting(said.values())
        found = drift.compare({}, {}, prediction=(expected, seen), thresholds=THRESHOLDS).prediction
        if found is None:
            return None
        return Shift(found.psi if found.adjusted <= THRESHOLDS.rate else 0.0, found.rows, found.reason)

    def _expected(self, version: VersionItem) -> Distribution | None:
        key = (version.get("report") or "").rsplit(".", 1)[0] + ".json"
        try:
            content = self._storage.read(key, _LARGEST_REPORT)
        except NotFound:
            log.warning("the evaluation's report %s is gone: predictions are not compared", key)
            return None
        found = json.loads(content).get("prediction_distribution") if len(content) <= _LARGEST_REPORT else None
        if not found:
            log.warning("%s doesn't say how predictions were spread: they are not compared", key)
            return None
        return Distribution.from_json(found)
