"""What answers in place of an endpoint: the model itself, from ``…/local.json`` in the bucket; and who wakes it.

A model is read once a process, when its endpoint is missed for the first time, and compiled (see
``domain.local_models``).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sluicegate.adapters.signed_http import EVENTBRIDGE, S3, Refused, SignedHttp
from sluicegate.domain.errors import Transient
from sluicegate.services.dispatch import Lane

if TYPE_CHECKING:
    from sluicegate.domain.local_models import LocalModel

#: models that a process keeps; the oldest makes room
MOST_MODELS = 8
#: a model that could not be read is tried again after so many seconds
RETRY_SECONDS = 60.0
#: a process asks for an endpoint once in so many seconds: waking takes minutes
WAKE_AGAIN_SECONDS = 30.0
#: the event that wakes ``wake_endpoint``
SOURCE, KIND = "sluicegate", "Wake Asked"
_log = logging.getLogger(__name__)


class LocalStandIn:
    """Implements `sluicegate.services.stand_in.StandIn`."""

    def __init__(self, http: SignedHttp, bucket: str, prefix: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._http, self._bucket, self._prefix, self._clock = http, bucket, prefix, clock
        self._models: dict[str, LocalModel] = {}
        self._not_before: dict[str, float] = {}
        self._asked: dict[str, float] = {}

    def answer(self, lane: Lane, records: Sequence[bytes]) -> list[dict[str, Any]] | None:
        if lane.local is None:
            return None
        model = self._model(lane.local)
        if model is None:
            return None
        try:
            return lane.evaluate(model, records)
        except (ValueError, OverflowError) as error:
            _log.error("%s can't evaluate what version %s was sent: %s", lane.local, lane.version, error)
            return None

    def _model(self, key: str) -> LocalModel | None:
        from sluicegate.domain.local_models import NoLocalModel, compiled  # most processes never need it

        found = self._models.get(key)
        if found is not None or self._clock() < self._not_before.get(key, 0.0):
            return found
        try:
            answer = self._http.send(S3, "GET", f"/{quote(key)}", bucket=self._bucket, timeout=5.0)
            found = compiled(json.loads(answer.body))
        except (Refused, Transient, NoLocalModel, ValueError) as error:
            _log.error("the model %s can't be read: %s", key, error)
            self._not_before[key] = self._clock() + RETRY_SECONDS
            return None
        if len(self._models) >= MOST_MODELS:
            self._models.pop(next(iter(self._models)), None)
        self._models[key] = found
        return found

    def wake(self, model: str, time_ms: int) -> None:
        """One event, however many requests there are; ``wake_endpoint`` takes several for one, too."""
        now = self._clock()
        if now < self._asked.get(model, 0.0):
            return
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSEvents.PutEvents"}
        detail = json.dumps({"prefix": self._prefix, "model": model})
        entry = {"Source": SOURCE, "DetailType": KIND, "Detail": detail, "Time": time_ms / 1000}
        body = json.dumps({"Entries": [entry]}).encode()
        try:
            answer = json.loads(self._http.send(EVENTBRIDGE, "POST", "/", headers, body, timeout=3.0).body)
        except Refused as error:
            raise Transient(f"EventBridge refused the event that wakes {model}: {error}") from error
        if answer.get("FailedEntryCount"):
            raise Transient(f"EventBridge did not take the event that wakes {model}: {answer['Entries'][0]}")
        self._asked[model] = now + WAKE_AGAIN_SECONDS
