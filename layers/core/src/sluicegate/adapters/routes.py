"""Where each model answers: ``routing/<model>.json`` in S3, kept for a few seconds in the process.

A Lambda sandbox is frozen between requests, so a background thread refreshes nothing there. The copy is renewed by the
first request after its time (a conditional GET: 304 costs a millisecond), and the stale copy serves on when S3 fails.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sluicegate.adapters.signed_http import S3, Refused, SignedHttp
from sluicegate.domain.errors import Transient
from sluicegate.domain.traffic import SHADOW, named_slots
from sluicegate.services.dispatch import SERVING, Lane, Routing

FRESH_SECONDS = 5.0
#: after a failed renewal the stale copy is used this long before S3 is asked again
RETRY_SECONDS = 1.0
_log = logging.getLogger(__name__)


@dataclass
class _Copy:
    routing: Routing
    etag: str
    good_until: float


class S3Routes:
    """Implements `sluicegate.services.predict.Routes`. ``parse`` makes a lane of its JSON."""

    def __init__(
        self,
        http: SignedHttp,
        bucket: str,
        parse: Callable[[Mapping[str, Any]], Lane],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http, self._bucket, self._parse, self._clock = http, bucket, parse, clock
        self._copies: dict[str, _Copy] = {}

    def read(self, model: str, *, fresh: bool = False) -> Routing | None:
        """The model's routing, or None when it has none. ``fresh`` asks S3 whatever the copy's age.

        Raises `Transient` when S3 fails and there is no copy; `Refused` when the routing may not be read.
        """
        copy = self._copies.get(model)
        if copy is not None and not fresh and self._clock() < copy.good_until:
            return copy.routing
        headers = {"if-none-match": copy.etag} if copy is not None else {}
        try:
            answer = self._http.send(S3, "GET", f"/routing/{model}.json", headers, bucket=self._bucket, timeout=3.0)
        except Refused as refused:
            if refused.answer.status != 404:
                raise
            self._copies.pop(model, None)
            return None
        except Transient as error:
            if copy is None:
                raise
            _log.warning("routing of %s could not be renewed, the copy serves on: %s", model, error)
            copy.good_until = self._clock() + RETRY_SECONDS
            return copy.routing
        good_until = self._clock() + FRESH_SECONDS
        if answer.status == 304 and copy is not None:
            copy.good_until = good_until
            return copy.routing
        routing = self._routing(json.loads(answer.body))
        self._copies[model] = _Copy(routing, answer.headers.get("etag", ""), good_until)
        return routing

    def _routing(self, document: Mapping[str, Any]) -> Routing:
        """A key that isn't there means what was so before there was one."""
        subject, log = document.get("subject"), document.get("log") or {}
        lanes = document.get("lanes", ())
        slots = named_slots([(lane.get("slot"), lane["variant"]) for lane in lanes])
        shadow = document.get("shadow")
        return Routing(
            lanes=tuple(
                self._parse({**lane, "slot": slot, "subject": subject}) for lane, slot in zip(lanes, slots, strict=True)
            ),
            coming=tuple(self._parse({**lane, "subject": subject}) for lane in document.get("coming", ())),
            cause=document.get("cause"),
            salt=document.get("salt") or "",
            subject=subject,
            testers=document.get("testers", True),
            shadow=self._parse({**shadow, "slot": SHADOW, "subject": subject}) if shadow else None,
            shadow_sample=float(shadow.get("sample", 1.0)) if shadow else 0.0,
            log_sample=float(log.get("sample", 1.0)),
            log_records=bool(log.get("records", True)),
            state=document.get("state") or SERVING,
        )
