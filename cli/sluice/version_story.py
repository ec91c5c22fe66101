"""What is told of a version on its way to the endpoint. Pure: it neither polls nor prints."""

from __future__ import annotations

from dataclasses import dataclass, field

from sluice.story import Json, Line, Mark, Outcome, sleeps, when_awake
from sluice.way import Way

_MARKS: dict[str, Mark] = {"live": "done", "failed": "bad", "rejected": "bad", "retired": "note"}
_SAID = {
    "approved": "will be deployed",
    "deploying": "is being deployed",
    "live": "is live",
    "failed": "could not be deployed",
    "rejected": "is rejected",
    "retired": "gave way to another version",
}


@dataclass
class VersionStory:
    """Follows version ``number`` of ``model`` from the ``told`` first lines of its history on."""

    model: str
    number: int
    told: int = 0
    outcome: Outcome | None = None
    status: str = field(default="looking")
    _way: Way = field(default_factory=Way)

    def observe(self, version: Json, detail: Json | None = None) -> list[Line]:
        """The lines that are new; ``detail``: the model. Sets ``outcome`` when the version is live or will not be, or
        waits for an endpoint that sleeps, and ``status`` to what goes on."""
        way = (detail or {}).get("way_in")
        history = version.get("history") or []
        lines = [self._line(line) for line in history[self.told :]]
        self.told = len(history)
        self.status = f"version {self.number} {_SAID.get(str(version['status']), version['status'])}"
        if way is not None and way["version"] == self.number and version["status"] not in _MARKS:
            lines += [Line("work", text) for text in self._way.observe(way)]
            self.status = self._way.status
        if version["status"] in _MARKS:
            code = 0 if version["status"] == "live" else 1
            reason = str(history[-1].get("message") or "") if history else ""
            self.outcome = Outcome(code, f"{self.status}. {reason}".strip(), version=self.number)
        elif version["status"] in ("approved", "deploying") and sleeps(detail):
            self.outcome = when_awake(self.model, self.number)
        return lines

    def _line(self, line: Json) -> Line:
        status, message = str(line["status"]), str(line.get("message") or "")
        text = f"version {self.number} {_SAID.get(status, status)}"
        return Line(_MARKS.get(status, "work"), f"{text}: {message}" if message else text)


def before_live(versions: list[Json]) -> int | None:
    """The version that served before the one that does: of those that served once, the one that came last."""
    served = [one for one in versions if one.get("status") == "retired" and one.get("live_since")]
    return int(max(served, key=lambda one: str(one["live_since"]))["version"]) if served else None
