"""A version's way in by lanes of our own: an endpoint beside the champion's, whose share of traffic grows in steps.

``bringing`` its endpoint comes up; ``shifting`` it has a share, and alarms watch it for a while before the next; then
it has all, and the model's own endpoint is ``switching`` to it while the lane answers; ``dropping`` nobody is sent to
the lane any more, and it goes when nobody remembers it. An alarm, or a person who chooses another version, takes its
share to nothing in one write. Where it stands is ``rollout`` of the model's item; each call does the next thing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sluicegate.domain import names
from sluicegate.domain.errors import Refused, Transient
from sluicegate.domain.items import ErrorItem, LaneItem, ModelItem, RolloutItem, TrafficItem, VersionItem, moment, stamp
from sluicegate.domain.settings_deployment import Guard
from sluicegate.ports import Change
from sluicegate.services.guards import Guards
from sluicegate.services.lanes import Lanes
from sluicegate.services.ledger import AGAIN, Ledger, Step, move_run, move_version
from sluicegate.services.routing import CHAMPION, variant_of
from sluicegate.services.wishes import let_go

log = logging.getLogger(__name__)

#: how long a routing of before may still be used: ``predict`` renews its copy after seconds, and a request that began
#: before it did takes at most half a minute
DRAIN = timedelta(seconds=60)
#: SageMaker itself gives an endpoint up after about an hour
LONGEST_START = timedelta(hours=2)
SWITCH = "switch"


class Ramp:
    """``publish`` writes the model's routing."""

    def __init__(
        self, ledger: Ledger, guards: Guards, lanes: Lanes, publish: Callable[[str], None], prefix: str
    ) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._guards = guards
        self._lanes = lanes
        self._publish = publish
        self._prefix = prefix

    def begin(self, model: str, number: int, guard: Guard, now: datetime) -> str:
        def plan(item: ModelItem) -> Step | None:
            version = self._registry.version(model, number)
            if item.get("rollout") is not None or item.get("desired_version") != number:
                return None
            moved = move_version(version, "deploying", now, f"Comes in by {guard.strategy}.")
            if version["status"] != "approved" or moved is None:
                return None
            rollout = RolloutItem(
                id=names.attempt(model, number, item.get("desired_at") or ""),
                version=number,
                stage="bringing",
                since=stamp(now),
                began=stamp(now),
                steps=list(guard.steps),
                step=0,
                bake=guard.bake,
                strategy=guard.strategy,
                rollback_on=list(guard.rollback_on),
                latency_ms=guard.latency_ms,
                alarms=[],
            )
            return Step(
                f"Version {number} is being brought up beside the one that serves.", {"rollout": rollout}, [moved]
            )

        if self._ledger.step(model, now, plan) is None:
            return "busy"  # the one before is not tidied up yet, or somebody else was first
        return self.advance(model, now) or "deploying"

    def advance(self, model: str, now: datetime) -> str | None:
        """deploying | failed; ``SWITCH``: the model's endpoint is to be told; None: nothing that others wait for."""
        item = self._registry.model(model)
        rollout = item.get("rollout")
        if rollout is None:
            return None
        if rollout["stage"] == "dropping":
            self._drop(item, rollout, now)
            return None
        if rollout["stage"] == "switching":
            return None
        if item.get("desired_version") != rollout["version"]:
            self._cancel(item, rollout, now)
            return None
        if rollout["stage"] == "bringing":
            return self._bring(item, rollout, now)
        version = self._registry.version(model, rollout["version"])
        raised = self._guards.raised(version, rollout["alarms"])
        baked = now >= moment(rollout["since"]) + timedelta(seconds=rollout["bake"])
        if raised is None:
            shift = self._guards.measure(version, moment(rollout["began"]), now)
            # what was measured just now has reached no alarm yet: a bake that ends with it is not called good
            raised = shift.reason if shift is not None and shift.large and baked else None
        if raised is not None:
            self.fail(item, f"Rolled back: {raised}", now)
            return "failed"
        if not baked:
            self._publish(model)  # a first try may have ended before it
            return "deploying"
        if rollout["step"] + 1 == len(rollout["steps"]):
            return SWITCH
        self._shift(item, rollout, rollout["step"] + 1, rollout["alarms"], now)
        return "deploying"

    def _bring(self, item: ModelItem, rollout: RolloutItem, now: datetime) -> str:
        model = item["model"]
        version = self._registry.version(model, rollout["version"])
        lane = self._lane(version, 0.0)
        try:
            word = self._lanes.bring(model, [lane], rollout["id"], now)
            if word == "busy" and now - moment(rollout["since"]) > LONGEST_START:
                word = "failed:Its endpoint was not up within two hours."
            if word == "busy":
                return "deploying"
            if word == "ready":
                alarms = self._guards.watch(item, version, lane["endpoint"], _guard(rollout), rollout["id"], now)
                self._shift(item, rollout, 0, alarms, now)
                return "deploying"
        except Refused as error:
            word = f"failed:{error}"
        self.fail(item, word.removeprefix("failed:"), now)
        return "failed"

    def _shift(self, item: ModelItem, rollout: RolloutItem, step: int, alarms: list[str], now: datetime) -> None:
        model, number, percent = item["model"], rollout["version"], rollout["steps"][step]

        def plan(current: ModelItem) -> Step | None:
            if current.get("rollout") != rollout or current.get("live_version") is None:
                return None
            champion = self._registry.version(model, current["live_version"] or 0)
            version = self._registry.version(model, number)
            lanes = [self._stable(champion, 1 - percent / 100), self._lane(version, percent / 100)]
            following = {**rollout, "stage": "shifting", "since": stamp(now), "step": step, "alarms": alarms}
            if step == 0:
                following["began"] = stamp(now)
            traffic = TrafficItem(cause=rollout["id"], salt=rollout["id"], lanes=lanes, shadow=None, revision=step + 1)
            message = f"Version {number} gets {percent} % of the requests."
            line = Change(
                "version", model, number, status="deploying", message=message, at=stamp(now), status_in=("deploying",)
            )
            return Step(message, {"rollout": following, "traffic": traffic}, [line])

        self._ledger.step(model, now, plan)
        self._publish(model)

    def _stable(self, version: VersionItem, weight: float) -> LaneItem:
        endpoint = names.endpoint(self._prefix, version["model"])
        return LaneItem(
            slot=CHAMPION, version=version["version"], weight=weight, endpoint=endpoint, variant=variant_of(version)
        )

    def _lane(self, version: VersionItem, weight: float) -> LaneItem:
        endpoint = names.lane_endpoint(self._prefix, version["model"], version["version"])
        return LaneItem(
            slot="challenger", version=version["version"], weight=weight, endpoint=endpoint, variant=variant_of(version)
        )

    # ends

    def alarmed(self, model: str, alarm: str, reason: str, at: datetime) -> None:
        """``alarm`` was raised, whatever it says by now. One that was raised before this way in began is old news."""
        item = self._registry.model(model)
        rollout = item.get("rollout")
        if rollout is None or rollout["stage"] != "shifting" or alarm not in rollout["alarms"]:
            return
        if at >= moment(rollout["began"]).replace(microsecond=0):  # an event's time has whole seconds
            version = self._registry.version(model, rollout["version"])
            self.fail(item, f"Rolled back: {self._guards.told(version, alarm, reason)}", at)

    def fail(self, item: ModelItem, reason: str, now: datetime) -> None:
        """Its share goes to nothing at once; the champion serves on."""
        model, rollout = item["model"], item.get("rollout")
        assert rollout is not None
        number = rollout["version"]

        def plan(current: ModelItem) -> Step | None:
            if current.get("rollout") != rollout:
                return None
            version = self._registry.version(model, number)
            error = ErrorItem(title="Deployment failed", detail=reason, remedy=f"When the cause is gone, {AGAIN}")
            run = self._registry.run(model, version["run"])
            changes = [
                move_version(version, "failed", now, reason),
                move_run(run, "failed", now, reason, error=error, claim=None),
            ]
            fields = self._over(rollout, now) | {"desired_version": current.get("live_version")}
            if current.get("active_run") == version["run"]:
                fields["active_run"] = None
            message = f"Version {number} could not be deployed: {reason}"
            return Step(message, fields, [change for change in changes if change is not None], "failed")

        if self._ledger.step(model, now, plan) is not None:
            self._publish(model)
            self._ledger.look_again(model, f"run:{self._registry.version(model, number)['run']}", now)

    def _cancel(self, item: ModelItem, rollout: RolloutItem, now: datetime) -> None:
        """A person chose another version."""
        model, number = item["model"], rollout["version"]

        def plan(current: ModelItem) -> Step | None:
            if current.get("rollout") != rollout:
                return None
            version = self._registry.version(model, number)
            message = f"Version {current.get('desired_version')} was chosen while this one came in."
            error = ErrorItem(title="Overtaken", detail=message, remedy="Nothing to do.")
            run = self._registry.run(model, version["run"])
            changes = [
                move_version(version, "retired", now, message),
                move_run(run, "failed", now, message, error=error, claim=None),
            ]
            fields = self._over(rollout, now) | let_go(current, version)
            return Step(current.get("message") or "", fields, [change for change in changes if change is not None])

        self._ledger.step(model, now, plan)
        self._publish(model)

    def over(self, item: ModelItem, now: datetime) -> dict[str, Any]:
        """The model's new attributes when its endpoint has switched, or could not."""
        rollout = item.get("rollout")
        return self._over(rollout, now) if rollout is not None and rollout["stage"] != "dropping" else {}

    def _over(self, rollout: RolloutItem, now: datetime) -> dict[str, Any]:
        return {"traffic": None, "rollout": {**rollout, "stage": "dropping", "since": stamp(now)}}

    def _drop(self, item: ModelItem, rollout: RolloutItem, now: datetime) -> None:
        model = item["model"]
        self._publish(model)  # a first try may have ended before it
        if now < moment(rollout["since"]) + DRAIN:
            return
        try:
            self._lanes.drop(model, rollout["id"], None, now)
        except Transient as error:
            log.info("%s: the lane stays for now: %s", model, error)
            return
        self._guards.forget(model)

        def plan(current: ModelItem) -> Step | None:
            if current.get("rollout") != rollout:
                return None
            return Step(current.get("message") or "", {"rollout": None})

        self._ledger.step(model, now, plan)


def _guard(rollout: RolloutItem) -> Guard:
    return Guard(
        rollout["strategy"],
        tuple(rollout["steps"]),
        rollout["bake"],
        tuple(rollout["rollback_on"]),  # type: ignore[arg-type]  # written from a Guard
        rollout["latency_ms"],
    )
