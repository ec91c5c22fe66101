"""``/_local/``: what people, tests and ``sluice`` ask the region about itself. JSON, never readable by web pages."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from local_region.front.errors import Answer
from local_region.front.recent import RecentEvents
from local_region.front.request import Incoming
from local_region.ports import Clock, RegionConfig

Report = Callable[[], Any]


class Control:
    """Answers ``GET /_local/health``, ``/_local/events?after=<number>``, ``/_local/clock``, ``/_local/processes``."""

    def __init__(self, config: RegionConfig, clock: Clock, events: RecentEvents, processes: Report) -> None:
        self._config, self._clock, self._events, self._processes = config, clock, events, processes
        self._started_at = clock.now()
        self._routes: Mapping[str, Callable[[Incoming], Any]] = {
            "health": self._health,
            "events": self._recent,
            "clock": lambda _: {"now": self._clock.now().isoformat()},
            "processes": lambda _: {"processes": self._processes()},
        }

    def answer(self, request: Incoming) -> Answer:
        name = request.path.removeprefix("/_local/").strip("/")
        route = self._routes.get(name)
        if route is None:
            return _json(404, {"error": f"There is no /_local/{name}.", "routes": sorted(self._routes)})
        if request.method not in {"GET", "HEAD"}:
            return _json(405, {"error": f"/_local/{name} can only be read (GET)."})
        # A page elsewhere can send requests here, but never with this header of another site's (Fetch Metadata).
        if request.header("Sec-Fetch-Site") == "cross-site":
            return _json(403, {"error": "The control routes don't answer pages of other sites."})
        try:
            return _json(200, route(request))
        except ValueError as error:
            return _json(400, {"error": str(error)})

    def _health(self, _request: Incoming) -> dict[str, Any]:
        return {
            "status": "ok",
            "endpoint": self._config.endpoint,
            "pid": os.getpid(),
            "region": self._config.region_name,
            "account_id": self._config.account_id,
            "started_at": self._started_at.isoformat(),
        }

    def _recent(self, request: Incoming) -> dict[str, Any]:
        text = request.query.get("after", "0")
        if not text.isdigit():
            raise ValueError(f"after is the number of an event, not {text!r}")
        return {"events": self._events.after(int(text))}


def _json(status: int, body: Any) -> Answer:
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    return status, headers, json.dumps(body, default=str).encode()
