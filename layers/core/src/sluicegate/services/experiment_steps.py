"""What each step of an experiment writes: one commit of the experiment, its model, its versions and their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sluicegate.domain import names
from sluicegate.domain.course import extended, point
from sluicegate.domain.errors import NotFound
from sluicegate.domain.experiment_items import ExperimentItem, VerdictItem
from sluicegate.domain.items import (
    ErrorItem,
    LaneItem,
    ModelItem,
    ShadowItem,
    TrafficItem,
    VerdictOfPerson,
    VersionItem,
    stamp,
)
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Change, RegistryReader
from sluicegate.services.experiment_terms import Terms, Wanted
from sluicegate.services.ledger import Step, move_experiment, move_run, move_version

#: how an experiment ends after each decision
ENDS = {
    "promote": "promoted",
    "keep": "kept",
    "stop": "stopped",
    "inconclusive": "inconclusive",
    "invalid": "failed",
    "failed": "failed",
}
_SHOWN = {
    "promote": "{lane} (version {version}) takes over",
    "keep": "the champion stays",
    "stop": "it was stopped",
    "inconclusive": "no difference was shown",
    "invalid": "its numbers can't be compared",
    "failed": "it failed",
}


#: strategies under which an approved version becomes a challenger
CONTESTS = ("experiment", "shadow")
#: while the challengers have their part
SHARING = ("running", "waits_for_decision")
#: these end the traffic at once, whoever has the word: nobody needs to be asked whether harm shall go on
AT_ONCE = ("stop", "invalid")


def identity(model: str, cause: Sequence[str]) -> str:
    """The same cause is the same experiment."""
    return names.digest(["experiment", model, *cause], 8)


class Steps:
    """Each method reads and returns what a ``Ledger.step`` shall commit, or None when there is nothing to do."""

    def __init__(self, registry: RegistryReader) -> None:
        self._registry = registry

    # beginning

    def begin(self, item: ModelItem, wanted: Wanted, agreed: Terms, now: datetime) -> Step:
        model, found = item["model"], identity(item["model"], wanted.cause)
        versions = ", ".join(str(lane["version"]) for lane in agreed.lanes[1:])
        message = (
            f"Experiment {found}: version {versions} against version {agreed.lanes[0]['version']} ({agreed.mode})."
        )
        new = {
            "experiment": found,
            "model": model,
            "mode": agreed.mode,
            "decides": agreed.decides,
            "look_every": agreed.look_every,
            "lanes": list(agreed.lanes),
            "design": agreed.design,
            "asked": {"who": wanted.who, "why": wanted.why},
            "created_at": stamp(now),
            "updated_at": stamp(now),
            "looks": 0,
            "course": [],
            "information": [],
        }
        created = Change(
            "experiment", model, found, set=new, status="starting", message=message, at=stamp(now), status_in=(None,)
        )
        fields: dict[str, Any] = {"experiment": found}
        changes = [created]
        for lane in agreed.lanes[1:]:
            version = self._registry.version(model, lane["version"])
            verdict = VerdictOfPerson(approval="Approved", at=stamp(now), who=wanted.who, why=wanted.why)
            changes += self.contends(version, item, fields, now, verdict)
            if item.get("challenging") == lane["version"]:
                fields |= {"challenging": None, "challenging_at": None}
        return Step(message, fields, changes)

    def contends(
        self,
        version: VersionItem,
        item: ModelItem,
        fields: dict[str, Any],
        now: datetime,
        verdict: VerdictOfPerson | None = None,
    ) -> list[Change]:
        """The version is a challenger: approved, by the person of ``verdict`` if it waited for one, and its run makes
        room for the next. Extends ``fields`` of the model."""
        changes = []
        waits = version["status"] == "pending_approval"
        if waits or version["status"] in ("retired", "failed"):
            # what it left behind when it went, if it did, is made again for its lane
            said: dict[str, Any] = {"released": None}
            if waits and verdict is not None:
                said |= {"decision": verdict}
                fields["telling"] = sorted({*(fields.get("telling") or item.get("telling") or []), version["version"]})
            changes += _moves(move_version(version, "approved", now, "A challenger now.", **said))
        try:
            run = self._registry.run(version["model"], version["run"])
        except NotFound:
            return changes
        changes += _moves(move_run(run, "in_experiment", now, "Its version is a challenger.", claim=None))
        if item.get("active_run") == run["run"]:
            fields["active_run"] = None
        return changes

    def contested(
        self, item: ModelItem, number: int, decided: str, now: datetime, verdict: VerdictOfPerson | None = None
    ) -> Step | None:
        """What becomes of a version that was approved at ``decided``, where model.yaml has new versions compared before
        they replace the champion; None where it has not, or there is no champion: it is deployed then."""
        version = self._registry.version(item["model"], number)
        active = item.get("experiment")
        lanes = self._registry.experiment(item["model"], active)["lanes"][1:] if active is not None else []
        fields: dict[str, Any] = {}
        if item.get("desired_version") == number or item.get("live_version") in (None, number):
            return None
        waiting = item.get("challenging")
        if waiting == number or any(lane["version"] == number for lane in lanes):
            return Step(item["message"], fields, self.contends(version, item, fields, now, verdict))
        if strategy(item) not in CONTESTS or version["status"] not in ("pending_approval", "approved"):
            return None
        if waiting is not None and (item.get("challenging_at") or "") > decided:
            return Step(item["message"], {}, self.overtaken(item, number, waiting, now))
        changes = self.contends(version, item, fields, now, verdict)
        if waiting is not None:
            changes += self.overtaken(item, waiting, number, now)
        message = f"Version {number} is approved and will be compared with version {item['live_version']}"
        message += f" when experiment {active} has ended." if active is not None else "."
        return Step(message, fields | {"challenging": number, "challenging_at": decided}, changes)

    def placed(self, item: ModelItem, found: ExperimentItem, lanes_as: str) -> Step | None:
        """Where the lanes come up, decided once: they must be found there at the end, too."""
        current = self._current(found)
        if current["status"] != "starting" or current.get("lanes_as"):
            return None
        return Step(item["message"], {}, [_written(current, {"lanes_as": lanes_as})])

    def ordered(self, item: ModelItem, found: ExperimentItem, now: datetime) -> Step | None:
        """SageMaker took the order for the lanes' variants; an endpoint that is free without them has failed then."""
        current = self._current(found)
        if current["status"] != "starting" or current.get("ordered_at"):
            return None
        return Step(item["message"], {}, [_written(current, {"ordered_at": stamp(now)})])

    def share(
        self,
        found: ExperimentItem,
        lanes: Sequence[LaneItem],
        shadow: ShadowItem | None,
        now: datetime,
    ) -> Step | None:
        """All lanes are up: the traffic is shared from now."""
        current = self._current(found)
        if current["status"] != "starting":
            return None
        weights = {lane["slot"]: lane["weight"] for lane in lanes}
        if shadow is not None:
            weights[shadow["slot"]] = shadow["sample"]
        moved = move_experiment(
            current, "running", now, "The lanes are up.", started_at=stamp(now), weights=weights, looked_at=None
        )
        traffic = TrafficItem(
            cause=found["experiment"], salt=found["experiment"], lanes=list(lanes), shadow=shadow, revision=1
        )
        who = "copies of requests" if shadow is not None else "a share of the traffic"
        message = f"Experiment {found['experiment']} runs: its challengers get {who}."
        return Step(message, {"traffic": traffic}, _moves(moved))

    # looking

    def looked(
        self,
        item: ModelItem,
        found: ExperimentItem,
        seen: Mapping[str, Any],
        decision: VerdictItem | None,
        new: bool,
        now: datetime,
    ) -> Step | None:
        """A look's numbers, and in the same commit what follows from them: of a bandit the weights; a decision; or a
        proposal, where a person has the word. ``new``: it says something that the look before it didn't."""
        current = self._current(found)
        if current["status"] not in SHARING or (current.get("looked_at") or "") >= stamp(now):
            return None
        kept: dict[str, Any] = {"looked_at": stamp(now)}
        if new:
            course = extended(current.get("course") or [], point(seen))
            kept |= {"looks": current["looks"] + 1, "look": dict(seen), "course": course}
        if seen["tested"] and seen["information"] is not None:
            kept["information"] = [*(current.get("information") or []), seen["information"]]
        if decision is not None and (current["decides"] == "automatic" or decision["kind"] in AT_ONCE):
            return self.decided(item, found, decision, now, **kept)
        if decision is not None:
            kept["proposal"] = decision
        if decision is not None and current["status"] == "running":
            moved = move_experiment(current, "waits_for_decision", now, decision["reason"], **kept)
            message = f"Experiment {found['experiment']} waits for a decision: {decision['reason']}"
            return Step(message, {}, _moves(moved))
        fields: dict[str, Any] = {}
        traffic = item.get("traffic")
        if seen["weights"] and traffic is not None and (following := reweighed(traffic, seen["weights"])) is not None:
            fields["traffic"] = following
            kept["weights"] = {lane["slot"]: lane["weight"] for lane in following["lanes"]}
        kept["updated_at"] = max(stamp(now), current["updated_at"])
        return Step(item["message"], fields, [_written(current, kept)])

    # ending

    def decided(
        self, item: ModelItem, found: ExperimentItem, decision: VerdictItem, now: datetime, **kept: Any
    ) -> Step | None:
        """From here on it is carried out. But for a promotion nobody is sent to a challenger any more."""
        current = self._current(found)
        if current["status"] not in ("starting", *SHARING):
            return None
        if decision["kind"] != "promote":
            kept["settled_at"] = stamp(now)
        moved = move_experiment(current, "deciding", now, decision["reason"], decision=decision, proposal=None, **kept)
        message = f"Experiment {found['experiment']}: {said(decision)}. {decision['reason']}"
        if decision["kind"] != "promote":
            return Step(message, self._alone(item, found), _moves(moved))
        winner = decision["version"]
        assert winner is not None
        fields = {"desired_version": winner, "desired_at": max(stamp(now), item.get("desired_at") or "")}
        return Step(message, fields, _moves(moved))

    def settled(self, item: ModelItem, found: ExperimentItem, now: datetime, failure: str | None = None) -> Step | None:
        """The promoted version serves (or can't: ``failure``), so nobody needs the lanes any more."""
        current = self._current(found)
        if current["status"] != "deciding" or current.get("settled_at"):
            return None
        kept: dict[str, Any] = {"settled_at": stamp(now), "updated_at": max(stamp(now), current["updated_at"])}
        decision = current["decision"]
        assert decision is not None
        if failure is not None:
            kept["decision"] = {**decision, "kind": "failed", "reason": f"{decision['reason']} But {failure}"}
        fields = self._alone(item, found)
        if failure is not None and item.get("desired_version") == decision["version"]:
            fields["desired_version"] = item.get("live_version")
        return Step(item["message"] if failure is None else failure, fields, [_written(current, kept)])

    def over(self, item: ModelItem, found: ExperimentItem, now: datetime) -> Step | None:
        """Everything is done: versions that lost retire, and the model is free for the next experiment."""
        current = self._current(found)
        decision = current.get("decision")
        if decision is None:
            return None
        error = _error(decision)
        ended = move_experiment(
            current, ENDS[decision["kind"]], now, decision["reason"], ended_at=stamp(now), error=error
        )
        if ended is None:
            return None
        changes = [ended]
        reason = f"Experiment {found['experiment']}: {said(decision)}. {decision['reason']}"
        for lane in found["lanes"][1:]:
            if decision["kind"] != "promote" or lane["version"] != decision["version"]:
                changes += self._lost(item, lane["version"], reason, error, now)
        # what the lanes left behind is tidied up by the rollouts, as after every deployment
        fields = {**self._alone(item, found), "settling": True}
        if item.get("experiment") == found["experiment"]:
            fields["experiment"] = None
        return Step(reason, fields, changes)

    def uncontested(self, item: ModelItem, number: int) -> Step | None:
        """The version that waited for an experiment gets none: it is deployed as model.yaml says now."""
        if item.get("challenging") != number:
            return None
        fields: dict[str, Any] = {"challenging": None, "challenging_at": None}
        version = self._registry.version(item["model"], number)
        if version["status"] != "approved":
            return Step(item["message"], fields)
        fields |= {"desired_version": number, "desired_at": item.get("challenging_at")}
        return Step(f"Version {number} will be deployed: model.yaml asks for no experiment any more.", fields)

    def overtaken(self, item: ModelItem, number: int, newer: int, now: datetime) -> list[Change]:
        """The end of a version that waited for its experiment when a newer one was approved."""
        version = self._registry.version(item["model"], number)
        detail = f"Version {newer} was approved later, before this one was compared."
        error = ErrorItem(title="Overtaken", detail=detail, remedy="Nothing to do.")
        run = self._registry.run(item["model"], version["run"])
        changes = _moves(move_version(version, "retired", now, detail)) if version["status"] == "approved" else []
        return changes + _moves(move_run(run, "failed", now, detail, error=error, claim=None))

    def _lost(self, item: ModelItem, number: int, reason: str, error: ErrorItem | None, now: datetime) -> list[Change]:
        if number in (item.get("live_version"), item.get("desired_version"), item.get("deploying_version")):
            return []  # a person put it to service meanwhile
        try:
            version = self._registry.version(item["model"], number)
            run = self._registry.run(item["model"], version["run"])
        except NotFound:
            return []
        changes = _moves(move_version(version, "retired", now, reason)) if version["status"] == "approved" else []
        if run["status"] == "in_experiment":
            to = "rejected" if error is None else "failed"
            verdict = {**(run.get("verdict") or {}), "accepted": False, "reason": reason}
            changes += _moves(move_run(run, to, now, reason, claim=None, error=error, verdict=verdict))
        return changes

    def _alone(self, item: ModelItem, found: ExperimentItem) -> dict[str, Any]:
        traffic = item.get("traffic")
        return {"traffic": None} if traffic is not None and traffic["cause"] == found["experiment"] else {}

    def _current(self, found: ExperimentItem) -> ExperimentItem:
        return self._registry.experiment(found["model"], found["experiment"])


def strategy(item: ModelItem) -> str:
    return parse_settings(item.get("settings") or "").deployment.strategy


def reweighed(traffic: TrafficItem, weights: Mapping[str, float]) -> TrafficItem | None:
    """The traffic with other weights; None when they are the same."""
    lanes = [LaneItem(**{**lane, "weight": float(weights.get(lane["slot"], 0.0))}) for lane in traffic["lanes"]]
    if lanes == traffic["lanes"]:
        return None
    return TrafficItem(**{**traffic, "lanes": lanes, "revision": traffic["revision"] + 1})


def said(decision: VerdictItem) -> str:
    return _SHOWN[decision["kind"]].format(lane=decision.get("slot"), version=decision.get("version"))


def _error(decision: VerdictItem) -> ErrorItem | None:
    if ENDS[decision["kind"]] != "failed":
        return None
    title = "The numbers can't be compared" if decision["kind"] == "invalid" else "The experiment failed"
    remedy = "When the cause is gone, start it again: sluice experiment start"
    return ErrorItem(title=title, detail=decision["reason"], remedy=remedy)


def _moves(change: Change | None) -> list[Change]:
    return [change] if change is not None else []


def _written(current: ExperimentItem, fields: Mapping[str, Any]) -> Change:
    """A change of the experiment without a move."""
    return Change("experiment", current["model"], current["experiment"], set=fields, status_in=(current["status"],))
