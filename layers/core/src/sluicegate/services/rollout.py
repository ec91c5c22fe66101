"""Which version should serve, which one does, and what ``predict`` is told of it.

The registry says what is wanted (``desired_version``) and what was told to SageMaker (``deploying_version``); the
endpoint says what is. ``advance`` compares them and does the next thing. It may run at any time, any number of times.

The order makes it safe: what the registry says is written before the routing, the routing before the endpoint is told
(a request that finds the new variant finds its encoder, too), and ``deploying`` only after SageMaker took the order.
So an endpoint that is free, does not serve the deploying version, and was looked at after the registry was read, has
failed to switch.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from sluicegate.domain import names
from sluicegate.domain.errors import AlreadyExists, Conflict, NotFound, Refused, Transient, UserError
from sluicegate.domain.items import ErrorItem, ModelItem, VersionItem, stamp
from sluicegate.domain.sleep import why_awake
from sluicegate.ports import Change, Jobs, Metrics, Storage
from sluicegate.ports_serving import Alarms, BlueGreen, Endpoints, EndpointState, Scaling
from sluicegate.services.blueprint import Blueprint
from sluicegate.services.cleanup import Cleanup
from sluicegate.services.endpoint_states import remove, state_of
from sluicegate.services.guards import DIRECT, Guards, Way
from sluicegate.services.lanes import Lanes
from sluicegate.services.ledger import Ledger, Step, move_run, move_version, refusal, tags
from sluicegate.services.orders import Overtaken
from sluicegate.services.outcomes import Outcomes, released, settled
from sluicegate.services.ramp import SWITCH, Ramp
from sluicegate.services.routing import RoutingTable, variant_of
from sluicegate.services.scaling import Scaler
from sluicegate.services.sleeping import put_to_sleep, table_price
from sluicegate.services.slumber import Slumber, Unwakeable
from sluicegate.services.variants import serves

log = logging.getLogger(__name__)


#: looks at a model that moves on meanwhile, before another delivery has to try
_LOOKS = 5


class Rollout:
    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        endpoints: Endpoints,
        jobs: Jobs,
        alarms: Alarms,
        metrics: Metrics,
        scaling: Scaling,
        prefix: str,
        region: str,
    ) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._storage = storage
        self._endpoints = endpoints
        self._prefix, self._region = prefix, region
        self._blueprint = Blueprint(ledger.registry, storage, endpoints, jobs, prefix, region)
        self.lanes = Lanes(ledger.registry, endpoints, self._blueprint, prefix)
        self._guards = Guards(ledger.registry, storage, endpoints, alarms, metrics, self._blueprint, prefix)
        self._scaler = Scaler(ledger, scaling, self._blueprint, prefix)
        self._ramp = Ramp(ledger, self._guards, self.lanes, self.publish, prefix)
        self._outcomes = Outcomes(ledger, storage, self._ramp, prefix)
        self._routing = RoutingTable(ledger.registry, storage, prefix)
        self._slumber = Slumber(ledger, endpoints, self._blueprint, self._routing, prefix)
        self._cleanup = Cleanup(ledger.registry, endpoints, jobs, prefix)

    def advance(self, model: str, now: datetime, recover: bool = False) -> str:
        """The next thing for the model's endpoint; a word for it: deploying | live | failed | busy | nothing.

        With ``recover`` also what follows a switch is done again: a first try may have ended before it.
        """
        for _ in range(_LOOKS):
            try:
                return self._advance(model, now, recover)
            except Overtaken:
                log.info("%s moved on while it was looked at", model)
        raise Transient(f"{model} moved on {_LOOKS} times while it was looked at")

    def _advance(self, model: str, now: datetime, recover: bool) -> str:
        ramp = self._ramp.advance(model, now)
        item = seen = self._registry.model(model)  # before the endpoint is looked at, see above
        state = self._endpoint(model)
        if item.get("sleep") is not None:
            self._scaler.stop(item, now)  # the endpoint goes; it scales again when it is awake
            return self._slumbers(item, state, now)
        if ramp is not None and ramp != SWITCH:
            return ramp
        if state is not None and not state.free and not state.broken:
            self._adopt(item, state, now)
            self._tell_stage(model, state, now)
            self._guards.measure_fleet(item, state, now)
            return "busy"
        settled = self._settle(item, state, now, recover)
        item = self._registry.model(model)
        desired = item.get("desired_version")
        if desired is None or desired == item.get("live_version"):
            return self._restore(item, state) or self._doze(seen, item, state, now) or settled
        version = self._registry.version(model, desired)
        try:
            if ramp == SWITCH:
                return self._order(item, version, state, DIRECT, now)
            if version["status"] != "approved":
                return settled
            self._guards.check_change(version, state)
            way = self._guards.way(item, version, state)
            if way.kind == "lanes":
                assert way.guard is not None
                return self._ramp.begin(model, desired, way.guard, now)
            return self._order(item, self._registry.version(model, desired), state, way, now)
        except (UserError, Refused) as error:
            if ramp == SWITCH:
                self._ramp.fail(item, str(error), now)
            else:
                self.undeployable(model, desired, now, refusal(error))
            return "failed"

    def _slumbers(self, item: ModelItem, state: EndpointState | None, now: datetime) -> str:
        model = item["model"]
        try:
            word = self._slumber.go_on(item, state, now)
        except Unwakeable as error:
            if item.get("deploying_version") != error.version:
                self.undeployable(model, error.version, now, error.error)
                return "failed"
            self._outcomes.failed(item, error.version, error.error["detail"], now)
            self.publish(model)
            self._ledger.look_again(model, f"run:{self._registry.version(model, error.version)['run']}", now)
            return "failed"
        if word is None:
            raise Overtaken  # it is awake: what comes now is as ever
        ordered = state or self._endpoint(model)
        if ordered is not None:
            self._adopt(item, ordered, now)  # a version that takes over with the waking is on its way in from now on
        return word

    def _restore(self, item: ModelItem, state: EndpointState | None) -> str | None:
        """Takes back what the endpoint serves against the registry's word: somebody switched it by hand, or said no to
        a version in the moment between the order and its record."""
        model, live = item["model"], item.get("live_version")
        if state is None or not state.free:
            return None
        serving = serves(self._registry, self._prefix, model, state.config)
        # an order for an experiment's variants that came when the experiment was over
        stale = names.config_cause(self._prefix, model, state.config) not in (None, item.get("experiment"))
        if serving is None or (serving == live and not stale):
            return None
        if not stale and self._registry.version(model, serving)["status"] not in ("retired", "failed", "rejected"):
            return None
        log.warning("the endpoint of %s serves version %s; it goes back to %s", model, serving, live)
        if live is None:
            remove(self._endpoints, state.name)
            return "nothing"
        try:
            self._endpoints.update(state.name, names.endpoint_config(self._prefix, model, live))
        except (Conflict, NotFound) as error:
            log.info("endpoint %s is busy, or gone since it was looked at: %s", state.name, error)
        return "busy"

    def _doze(self, seen: ModelItem, item: ModelItem, state: EndpointState | None, now: datetime) -> str | None:
        """An endpoint that somebody deleted by hand sleeps: it costs nothing, the API says so, and a prediction wakes
        it (decision 58). ``seen`` was read before the endpoint was looked for."""
        if state is not None or why_awake(item) is not None:
            return None
        if item.get("revision") == seen.get("revision"):
            who, why, expect = "SageMaker", "somebody deleted it in SageMaker.", {"revision": seen.get("revision")}
            put_to_sleep(self._ledger, item["model"], now, who, why, table_price(self._region), expect)
        raise Overtaken  # it sleeps now, or it changed since

    def undeployable(self, model: str, number: int, now: datetime, error: ErrorItem) -> None:
        """SageMaker would refuse it again: the version that serves goes on."""

        def plan(item: ModelItem) -> Step | None:
            version = self._registry.version(model, number)
            if version["status"] != "approved":
                return None  # another delivery's order was taken
            moved = move_version(version, "failed", now, error["detail"])
            if moved is None:
                return None
            run = move_run(
                self._registry.run(model, version["run"]), "failed", now, error["detail"], error=error, claim=None
            )
            fields = {"desired_version": item.get("live_version"), "settling": True}
            fields |= released(item, version["run"])
            changes = [moved] if run is None else [moved, run]
            return Step(f"Version {number} could not be deployed: {error['detail']}", fields, changes, "failed")

        if self._ledger.step(model, now, plan) is not None:
            self.publish(model)
        run = self._registry.version(model, number)["run"]
        self._ledger.look_again(model, f"run:{run}", now)

    def alarmed(self, model: str, alarm: str, reason: str, at: datetime) -> None:
        """An alarm that watches a version of the model on its way in was raised."""
        self._ramp.alarmed(model, alarm, reason, at)

    def publish(self, model: str) -> None:
        """Tell ``predict`` what the registry says now."""
        self._routing.publish(model)

    def _endpoint(self, model: str) -> EndpointState | None:
        return state_of(self._endpoints, names.endpoint(self._prefix, model))

    # deploy

    def _order(
        self, item: ModelItem, version: VersionItem, state: EndpointState | None, way: Way, now: datetime
    ) -> str:
        model, number = item["model"], version["version"]
        name = names.endpoint(self._prefix, model)
        config = self._blueprint.config(version)
        self.publish(model)
        if state is not None and state.broken:
            state = self._remove_broken(name)
        try:
            if state is None:
                self._endpoints.create(name, config, tags(model))
            else:
                self._scaler.stop(item, now, keep=variant_of(version))
                self._endpoints.update(name, config, self._watched(item, version, config, way, now))
        except (AlreadyExists, Conflict, NotFound) as error:
            log.info("endpoint %s is busy, or gone since it was looked at: %s", name, error)
            return "busy"  # it sends an event when it is free, and the next minute looks again
        self._mark_deploying(model, number, now)
        return "deploying"

    def _watched(self, item: ModelItem, version: VersionItem, config: str, way: Way, now: datetime) -> BlueGreen | None:
        """SageMaker's own guarded update, with the alarms that it is to look at."""
        if way.kind != "native" or way.guard is None:
            return None
        guard, endpoint = way.guard, names.endpoint(self._prefix, item["model"])
        attempt = names.attempt(item["model"], version["version"], item.get("desired_at") or "")
        alarms = self._guards.watch(item, version, endpoint, guard, attempt, now, config)
        return BlueGreen(guard.strategy, guard.steps[0], guard.bake, alarms)

    def _remove_broken(self, name: str) -> EndpointState | None:
        """A failed endpoint can only be deleted; another delivery goes on if that takes time."""
        remove(self._endpoints, name)
        state = state_of(self._endpoints, name)
        if state is None:
            return None
        raise Transient(f"endpoint {name} failed before and is being deleted ({state.status})")

    def _adopt(self, item: ModelItem, state: EndpointState, now: datetime) -> None:
        """An order that SageMaker took before this was written down."""
        config = state.pending_config or (state.config if state.status == "Creating" else None)
        number = names.config_version(self._prefix, item["model"], config)
        if number is not None and number == item.get("desired_version") and number != item.get("deploying_version"):
            self._mark_deploying(item["model"], number, now)

    def _tell_stage(self, model: str, state: EndpointState, now: datetime) -> None:
        """A line in the version's history for what SageMaker does in a guarded update: shifting, baking, going back."""
        number = names.config_version(self._prefix, model, state.pending_config)
        version = self._registry.version(model, number) if number is not None else None
        if version is None or not state.stage or version.get("attempt") is None:
            return
        told = version.get("stage_told")
        if told == state.stage or version["status"] != "deploying":
            return
        line = Change(
            *("version", model, version["version"]),
            set={"stage_told": state.stage},
            status="deploying",
            message=state.stage,
            at=stamp(now),
            status_in=("deploying",),
            expect={"stage_told": told},
        )
        try:
            self._registry.commit([line])
        except Conflict as error:
            log.info("another delivery has told what SageMaker does with %s: %s", state.name, error)

    def _mark_deploying(self, model: str, number: int, now: datetime) -> None:
        def plan(item: ModelItem) -> Step | None:
            if item.get("live_version") == number:
                return None
            version = self._registry.version(model, number)
            fields: dict[str, Any] = {"deploying_version": number, "ordered_at": stamp(now)}
            rollout = item.get("rollout")
            if rollout is not None and rollout["version"] == number and rollout["stage"] == "shifting":
                fields["rollout"] = {**rollout, "stage": "switching", "since": stamp(now)}
                return Step(f"Version {number} takes over the endpoint.", fields)
            # one that left meanwhile is not brought back by an old order
            if version["status"] not in ("pending_approval", "approved"):
                return None
            moved = move_version(version, "deploying", now, "")
            if moved is None:
                return None
            return Step(f"Version {number} is being deployed.", fields, [moved])

        self._ledger.step(model, now, plan)

    # settle

    def _settle(self, item: ModelItem, state: EndpointState | None, now: datetime, recover: bool) -> str:
        model = item["model"]
        config = state.config if state is not None and state.free else None
        serving = serves(self._registry, self._prefix, model, config)
        deploying = item.get("deploying_version")
        if serving is not None and serving != item.get("live_version"):
            self._outcomes.live(item, serving, now)
        elif deploying is not None and deploying not in (serving, item.get("live_version")):
            self._outcomes.failed(item, deploying, self._why(model, deploying, state), now)
        elif not item.get("settling") and (serving is None or not recover):
            return "nothing"
        self.publish(model)
        current = self._registry.model(model)
        self._cleanup.clean(current, state)
        self._guards.forget(model)
        if serving is not None and serving == current.get("live_version"):
            self._scale(current, config, now)
        last = self._ended_run(model, serving if deploying is None else deploying)
        if last is not None:
            self._ledger.look_again(model, f"run:{last}", now)
        if current.get("settling"):
            self._ledger.step(model, now, lambda item: settled(item, current))
        return "live" if current.get("live_version") == serving and serving is not None else "failed"

    def _scale(self, item: ModelItem, config: str | None, now: datetime) -> None:
        try:
            self._scaler.follow(item, config, now)
        except Refused as error:
            state = self._endpoint(item["model"])
            if state is None or state.free:
                raise
            # its weights or its instances began to change since it was looked at; its next event comes here, too
            log.info("endpoint %s is %s, nothing of it can be scaled now: %s", state.name, state.status, error)

    def _why(self, model: str, number: int, state: EndpointState | None) -> str:
        """Why the endpoint does not serve version ``number``, with the alarm that took it back."""
        if state is None:
            return "The endpoint was deleted."
        reason = state.failure_reason or "SageMaker gave no reason."
        version = self._registry.version(model, number)
        if not version.get("alarms"):
            return reason
        raised = self._guards.raised(version, version["alarms"])
        return f"Rolled back: {reason}" + (f" ({raised})" if raised is not None else "")

    def _ended_run(self, model: str, number: int | None) -> str | None:
        if number is None:
            return None
        try:
            return self._registry.version(model, number)["run"]
        except NotFound:
            return None
