"""``/_local/``: what people, tests and ``sluice`` ask the region about itself. JSON, never readable by web pages."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from local_region.clock import span
from local_region.front.errors import Answer
from local_region.front.recent import RecentCalls, RecentEvents
from local_region.front.request import Incoming
from local_region.ports import RegionConfig
from local_region.timeline import MAX_PATIENCE, PATIENCE, Moving, Timeline

Report = Callable[[], Any]
_MOST_BYTES = 4096


class Control:
    """Answers ``GET /_local/health``, ``/_local/events?after=<number>``, ``/_local/calls?after=<number>``,
    ``/_local/clock``, ``/_local/processes``, and ``POST /_local/clock`` with ``{"advance": "+3h"}``: 202 at once; the
    clock is there when ``moving`` is false."""

    def __init__(
        self, config: RegionConfig, timeline: Timeline, events: RecentEvents, calls: RecentCalls, processes: Report
    ) -> None:
        self._config, self._timeline, self._processes = config, timeline, processes
        self._started_at = datetime.now(UTC)
        self._routes: Mapping[str, Callable[[Incoming], Any]] = {
            "health": self._health,
            "events": lambda request: {"events": events.after(_number(request))},
            "calls": lambda request: {"calls": calls.after(_number(request))},
            "clock": lambda _: self._timeline.state(),
            "processes": lambda _: {"processes": self._processes()},
        }
        self._changes: Mapping[str, Callable[[Incoming], Any]] = {"clock": self._advance}

    def answer(self, request: Incoming) -> Answer:
        name = request.path.removeprefix("/_local/").strip("/")
        if name not in self._routes:
            return _json(404, {"error": f"There is no /_local/{name}.", "routes": sorted(self._routes)})
        # A page elsewhere can send requests here, but never with this header of another site's (Fetch Metadata).
        if request.header("Sec-Fetch-Site") == "cross-site":
            return _json(403, {"error": "The control routes don't answer pages of other sites."})
        try:
            if request.method in {"GET", "HEAD"}:
                return _json(200, self._routes[name](request))
            if request.method == "POST" and name in self._changes:
                return _json(202, self._changes[name](request))
        except ValueError as error:
            return _json(400, {"error": str(error)})
        except Moving as error:
            return _json(409, {"error": f"{error}."})
        ways = "read (GET) or set (POST)" if name in self._changes else "read (GET)"
        return _json(405, {"error": f"/_local/{name} can only be {ways}."})

    def _health(self, _request: Incoming) -> dict[str, Any]:
        return {
            "status": "ok",
            "endpoint": self._config.endpoint,
            "pid": os.getpid(),
            "region": self._config.region_name,
            "account_id": self._config.account_id,
            "started_at": self._started_at.isoformat(),
        }

    def _advance(self, request: Incoming) -> Any:
        # A browser sends this type to another site only after asking, and it is never told yes.
        if (request.header("Content-Type") or "").partition(";")[0].strip() != "application/json":
            raise ValueError("Content-Type must be application/json")
        asked = json.loads(request.body(_MOST_BYTES))
        known = isinstance(asked, dict) and set(asked) <= {"advance", "patience_seconds"}
        if not known or not isinstance(asked.get("advance"), str):
            raise ValueError('the body is {"advance": "+3h"}, with patience_seconds or without')
        patience = asked.get("patience_seconds", PATIENCE)
        if isinstance(patience, bool) or not isinstance(patience, int | float) or not 0 <= patience <= MAX_PATIENCE:
            raise ValueError(f"patience_seconds is a number from 0 to {MAX_PATIENCE:g}, not {patience!r}")
        self._timeline.begin(span(asked["advance"]), float(patience))
        return self._timeline.state()


def _number(request: Incoming) -> int:
    text = request.query.get("after", "0")
    if not text.isdigit():
        raise ValueError(f"after is the number of an event or a call, not {text!r}")
    return int(text)


def _json(status: int, body: Any) -> Answer:
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    return status, headers, json.dumps(body, default=str).encode()
