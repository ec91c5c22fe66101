"""How a version comes in, and what watches it meanwhile.

Three ways: *direct*, one order and no watching; *native*, SageMaker's deployment guardrails, which shift the traffic of
one endpoint between two fleets; *lanes*, an endpoint beside the champion's that gets its share from ``predict``.
SageMaker's own way wants instances and one variant name in both fleets, so both versions must read requests alike: a
request that was encoded for one may be answered by the other. For all else there are lanes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sluicegate.domain import names
from sluicegate.domain.errors import Conflict, NotFound, Refused, UserError
from sluicegate.domain.items import ModelItem, ShiftItem, VersionItem, stamp
from sluicegate.domain.settings_deployment import Guard
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.ports import Change, Metrics, Registry, Storage
from sluicegate.ports_serving import (
    LONGEST_UPDATE,
    Alarms,
    AlarmSpec,
    BlueGreen,
    Endpoints,
    EndpointState,
    Instances,
    Serverless,
)
from sluicegate.services.blueprint import Blueprint
from sluicegate.services.ledger import tags
from sluicegate.services.orders import Overtaken
from sluicegate.services.prediction_shift import THRESHOLDS, PredictionShift, Shift
from sluicegate.services.reading import reading
from sluicegate.services.routing import variant_of
from sluicegate.services.variants import serves

log = logging.getLogger(__name__)

#: an alarm each; the metric of the last is the application's own (``services.prediction_shift``)
SIGNS = ("errors", "latency", "predictions")
#: predictions are measured once a minute, so a lost alarm event is seen by one of the next looks
_SHIFT_MINUTES = 3
#: by how much a version may be slower than the one that serves, when model.yaml names no limit
_SLOWER = 2.0
_LEAST_MS, _USUAL_MS = 50.0, 1000.0
_LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True)
class Way:
    kind: Literal["direct", "native", "lanes"]
    guard: Guard | None = None


DIRECT = Way("direct")


class Guards:
    def __init__(
        self,
        registry: Registry,
        storage: Storage,
        endpoints: Endpoints,
        alarms: Alarms,
        metrics: Metrics,
        blueprint: Blueprint,
        prefix: str,
    ) -> None:
        self._registry = registry
        self._storage = storage
        self._endpoints = endpoints
        self._alarms = alarms
        self._metrics = metrics
        self._blueprint = blueprint
        self._shift = PredictionShift(storage)
        self._prefix = prefix

    def way(self, item: ModelItem, version: VersionItem, state: EndpointState | None) -> Way:
        """How ``version`` is to come in, seeing what serves now."""
        guard = parse_settings(item.get("settings") or "").deployment.guard()
        live = item.get("live_version")
        # without a version that serves there is nothing to go back to; the lanes of an experiment have shown enough
        if guard is None or live is None or state is None or not state.free or item.get("traffic") is not None:
            return DIRECT
        champion = self._registry.version(item["model"], live)
        sizes = [self._blueprint.size(champion), self._blueprint.size(version)]
        alike = reading(self._registry, self._storage, champion) == reading(self._registry, self._storage, version)
        # whose predictions they are can't be told while both fleets answer under one variant name (decision 55)
        told_apart = "predictions" in guard.rollback_on and guard.strategy != "all_at_once"
        # SageMaker guards no update of an endpoint with several variants, as one has on which an experiment ends
        several = names.config_cause(self._prefix, item["model"], state.config) is not None
        # ten steps of an hour are more than SageMaker gives an update
        long = BlueGreen(guard.strategy, guard.steps[0], guard.bake, ()).longest_seconds > LONGEST_UPDATE
        if told_apart or several or long or not alike or not all(isinstance(size, Instances) for size in sizes):
            return Way("lanes", guard)
        return Way("native" if self._share_variant(champion, version) else "lanes", guard)

    def check_change(self, version: VersionItem, state: EndpointState | None) -> None:
        """Raises ``UserError`` where SageMaker can't bring what serves to ``version``: it updates no endpoint on
        instances to a serverless one ("Update a serverless endpoint", Amazon SageMaker Developer Guide)."""
        model = version["model"]
        number = serves(self._registry, self._prefix, model, state.config) if state is not None else None
        if number is None or state is None or state.broken:
            return  # it is made anew
        before = self._blueprint.size(self._registry.version(model, number))
        if isinstance(before, Instances) and isinstance(self._blueprint.size(version), Serverless):
            raise UserError(
                "The endpoint has to be made anew",
                f"It is on instances ({before.type}), version {version['version']} is to be served serverless, and "
                "SageMaker updates no endpoint that way.",
                f"Put the endpoint to sleep (sluice sleep {model}), deploy the version (sluice deploy {model} "
                f"{version['version']}) and wake it; or name endpoint.instance in model.yaml, and train again.",
            )

    def _share_variant(self, champion: VersionItem, version: VersionItem) -> bool:
        """Let the version serve under the champion's variant; False when its config has another one already."""
        wanted = variant_of(champion)
        config = names.endpoint_config(self._prefix, version["model"], version["version"])
        try:
            return self._endpoints.config_variant(config) == wanted
        except NotFound:
            change = Change(
                *("version", version["model"], version["version"]), set={"variant": wanted}, status_in=("approved",)
            )
            try:
                self._registry.commit([change])
            except Conflict:
                raise Overtaken from None
            return True

    # watching

    def names(self, version: VersionItem, rollback_on: tuple[str, ...]) -> list[str]:
        base = names.endpoint_config(self._prefix, version["model"], version["version"])
        return [f"{base}-{sign}" for sign in SIGNS if sign in rollback_on]

    def watch(
        self,
        item: ModelItem,
        version: VersionItem,
        endpoint: str,
        guard: Guard,
        attempt: str,
        now: datetime,
        config: str | None = None,
    ) -> list[str]:
        """Make the alarms that watch ``version`` on ``endpoint`` (with ``config``: only the fleet that has it); their
        names. They are written down first, so that they go when the version has come in or not. What was measured in
        another ``attempt`` says nothing of this one."""
        model, number, variant = item["model"], version["version"], variant_of(version)
        found = self.names(version, guard.rollback_on)
        if version.get("alarms") != found or version.get("attempt") != attempt:
            fields = {"alarms": found, "attempt": attempt, "prediction_shift": None, "stage_told": None}
            self._registry.commit([Change("version", model, number, set=fields)])
        fleet = {"EndpointName": endpoint, "VariantName": variant}
        if config is not None:
            fleet["EndpointConfigName"] = config
        base = names.endpoint_config(self._prefix, model, number)
        said = f"Takes version {number} of {model} back while it comes in: "
        specs = {
            "errors": AlarmSpec(
                f"{base}-errors", f"{said}its model failed.", "AWS/SageMaker", "Invocation5XXErrors", fleet, "Sum", 1
            ),
            "latency": AlarmSpec(
                f"{base}-latency",
                f"{said}it is too slow.",
                "AWS/SageMaker",
                "ModelLatency",
                fleet,
                "p99",
                1000 * self._slowest_ms(item, guard, now) if "latency" in guard.rollback_on else 0,
            ),
            "predictions": AlarmSpec(
                f"{base}-predictions",
                f"{said}its predictions are spread otherwise than in its evaluation.",
                names.METRICS,
                names.PREDICTION_SHIFT,
                self._measured(model, number, attempt),
                "Maximum",
                THRESHOLDS.psi,
                _SHIFT_MINUTES,
            ),
        }
        for sign in SIGNS:
            if sign in guard.rollback_on:
                self._alarms.put(specs[sign], tags(model))
        return found

    def _slowest_ms(self, item: ModelItem, guard: Guard, now: datetime) -> float:
        if guard.latency_ms is not None:
            return guard.latency_ms
        champion = self._registry.version(item["model"], item.get("live_version") or 0)
        endpoint = names.endpoint(self._prefix, item["model"])
        try:
            usual = self._alarms.latency_ms(endpoint, variant_of(champion), now, _LOOK_BACK)
        except Refused as error:
            log.warning("the latency of %s is not known: %s", endpoint, error)
            usual = None
        return max(_LEAST_MS, _SLOWER * usual) if usual is not None else _USUAL_MS

    def measure(self, version: VersionItem, since: datetime, now: datetime, *, whole_log: bool = False) -> Shift | None:
        """Tell CloudWatch how far the version's predictions since then are from its evaluation's, if an alarm asks;
        None: none does, or there are too few. With ``whole_log`` whatever was answered since then is the version's."""
        model, number, attempt = version["model"], version["version"], version.get("attempt")
        if attempt is None or not any(alarm.endswith("-predictions") for alarm in version.get("alarms") or ()):
            return None
        found = self._shift.of(version, since, now, whole_log=whole_log)
        if found is not None:
            # before it is told: whom the alarm wakes finds what moved
            seen = ShiftItem(at=stamp(now), distance=found.distance, rows=found.rows, reason=found.reason)
            fields = {"prediction_shift": seen}
            try:
                self._registry.commit([Change("version", model, number, set=fields, expect={"attempt": attempt})])
            except Conflict:
                log.info(
                    "version %s of %s is on another way in by now: what was measured is of the last", number, model
                )
                return None
            self._metrics.shifted(self._measured(model, number, attempt), found.distance, now)
        return found

    def measure_fleet(self, item: ModelItem, state: EndpointState, now: datetime) -> None:
        """As ``measure``, of the new fleet of SageMaker's own update: from when it has all the traffic on."""
        number = names.config_version(self._prefix, item["model"], state.pending_config)
        if state.baking_since is None or number is None or item.get("rollout") is not None:
            return
        self.measure(self._registry.version(item["model"], number), state.baking_since, now, whole_log=True)

    def _measured(self, model: str, number: int, attempt: str) -> dict[str, str]:
        return {"NamePrefix": self._prefix, "Model": model, "Version": str(number), "Attempt": attempt}

    def raised(self, version: VersionItem, alarms: list[str]) -> str | None:
        """What the alarms say, when one says anything."""
        raised = [state for state in self._alarms.states(alarms) if state.value == "ALARM"]
        return "; ".join(self.told(version, state.name, state.reason) for state in raised) or None

    @staticmethod
    def told(version: VersionItem, alarm: str, reason: str) -> str:
        """What an alarm says. CloudWatch knows of predictions a number only: what moved was written down with it."""
        shift = version.get("prediction_shift")
        more = f" ({shift['reason']})" if shift is not None and alarm.endswith("-predictions") else ""
        return f"alarm {alarm}: {reason}{more}"

    def forget(self, model: str) -> None:
        """Delete the alarms of versions that are not coming in any more."""
        for version in self._registry.versions(model):
            if version.get("alarms") and version["status"] not in ("approved", "deploying"):
                self._alarms.delete(version["alarms"])
                self._registry.commit([Change("version", model, version["version"], set={"alarms": None})])
