"""The lanes of an experiment as production variants of the model's one endpoint, where that is on instances.

Then SageMaker itself shares the requests of those who call the endpoint without the application, by the same weights.
They encode for the champion, and any variant may get what they send: so only versions that read alike are brought up
like this (``fits``); for all others there are endpoints (``services.lanes``).

For the experiment's time the endpoint has a config of its own (``names.lane_config``): the champion's variant under its
name, and one for each challenger (``names.lane_variant``), which has no weight until the traffic is shared. The
champion's variant is there before, during and after, so an order that fails or comes late changes nothing for it.

Others order, too: ``services.rollout`` brings versions to the endpoint. SageMaker takes one order at a time, and each
is made from a state that was read after the registry; who is second finds the endpoint busy and looks again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from sluicegate.domain import names
from sluicegate.domain.errors import Conflict, NotFound, Transient
from sluicegate.domain.experiment_items import ExperimentItem
from sluicegate.domain.items import ModelItem
from sluicegate.ports import RegistryReader, Storage
from sluicegate.ports_serving import Endpoints, EndpointState, Instances
from sluicegate.services.blueprint import Blueprint
from sluicegate.services.endpoint_states import state_of
from sluicegate.services.lanes import Word
from sluicegate.services.reading import reading
from sluicegate.services.routing import CHAMPION, variant_of
from sluicegate.services.scaling import Scaler

log = logging.getLogger(__name__)

#: SageMaker keeps weights in 32 bits
_SAME = 1e-5


def serves(registry: RegistryReader, prefix: str, model: str, config: str | None) -> int | None:
    """The version for which requests to an endpoint with ``config`` are encoded: the config's own; of an experiment's
    its champion. None for a config that is not ours."""
    cause = names.config_cause(prefix, model, config)
    if cause is None:
        return names.config_version(prefix, model, config)
    try:
        return registry.experiment(model, cause)["lanes"][0]["version"]
    except NotFound:
        return None


class Variants:
    def __init__(
        self,
        registry: RegistryReader,
        storage: Storage,
        endpoints: Endpoints,
        blueprint: Blueprint,
        scaler: Scaler,
        prefix: str,
    ) -> None:
        self._registry = registry
        self._storage = storage
        self._endpoints = endpoints
        self._blueprint = blueprint
        self._scaler = scaler
        self._prefix = prefix

    def fits(self, found: ExperimentItem) -> bool:
        """Whether any of the versions may answer what was encoded for another of them, side by side on instances."""
        if found["mode"] == "shadow":
            return False  # it sees copies, and nobody's requests
        versions = [self._registry.version(found["model"], lane["version"]) for lane in found["lanes"]]
        if not all(isinstance(self._blueprint.size(version), Instances) for version in versions):
            return False
        first, *others = [reading(self._registry, self._storage, version) for version in versions]
        return all(other == first for other in others)

    def bring(self, found: ExperimentItem) -> Word:
        """``ready`` when all variants are there; ``ordered`` when SageMaker has the order and the experiment's item
        doesn't say so yet (``ordered_at``); ``busy``; ``failed:<why>``. May be called again at any time. Raises
        ``Refused`` when SageMaker refuses the order."""
        model, config = found["model"], self._config(found)
        state = self._state(model)
        if state is None:
            return "failed:The model's endpoint is gone."
        if state.pending_config == config:
            return "busy" if found.get("ordered_at") else "ordered"
        if state.broken:
            return f"failed:{state.failure_reason or 'The endpoint failed, SageMaker gave no reason.'}"
        if not state.free:
            return "busy"
        if state.config == config:
            return "ready"
        if found.get("ordered_at"):
            return f"failed:{state.failure_reason or 'SageMaker went back to one variant and gave no reason.'}"
        champion, *challengers = [self._registry.version(model, lane["version"]) for lane in found["lanes"]]
        if names.config_version(self._prefix, model, state.config) != champion["version"]:
            return f"failed:The endpoint has the config {state.config}, not that of version {champion['version']}."
        variants = [self._blueprint.variant(champion, variant_of(champion))]
        for version in challengers:
            variants.append(self._blueprint.variant(version, names.lane_variant(version["version"]), 0.0))
        self._blueprint.make(config, model, variants)
        try:
            self._endpoints.update(state.name, config, keep=True)
        except (Conflict, NotFound) as error:
            log.info("endpoint %s is busy: %s", state.name, error)
            return "busy"
        return "ordered"

    def lost(self, found: ExperimentItem) -> str | None:
        """Why the variants are not there any more, when somebody took them away."""
        state = self._state(found["model"])
        if state is None or not state.free or state.config == self._config(found):
            return None  # of an endpoint that changes its next event tells
        return f"The endpoint was changed to the config {state.config}, which has not the experiment's variants."

    def weigh(self, found: ExperimentItem, shares: Mapping[str, float]) -> None:
        """SageMaker shares as ``shares`` says, by slot; who isn't there gets nothing. Raises ``Conflict`` while the
        endpoint is busy: its next event is the time to come again."""
        model = found["model"]
        state = self._state(model)
        if state is None or not state.free or state.config != self._config(found):
            return
        wanted = {}
        for lane in found["lanes"]:
            champion = lane["slot"] == CHAMPION
            own = variant_of(self._registry.version(model, lane["version"]))
            wanted[own if champion else names.lane_variant(lane["version"])] = shares.get(lane["slot"], 0.0)
        if any(abs(state.weights.get(name, 0.0) - weight) > _SAME for name, weight in wanted.items()):
            try:
                self._endpoints.weigh(state.name, wanted)
            except NotFound:
                log.info("endpoint %s was deleted since it was looked at", state.name)

    def drop(self, item: ModelItem, found: ExperimentItem, now: datetime) -> None:
        """The endpoint has one variant again, and the experiment's config is gone. Raises ``Transient`` while it is not
        so yet. Only when nobody is sent to the variants any more."""
        model, config, live = item["model"], self._config(found), item.get("live_version")
        state = self._state(model)
        if state is not None and config in (state.config, state.pending_config):
            if state.broken or live is None:
                return  # only deleting it helps, and that is not for an experiment to decide
            if not state.free:
                raise Transient(f"endpoint {state.name} is {state.status}")
            self._scaler.stop(item, now, keep=variant_of(self._registry.version(model, live)))
            try:
                self._endpoints.update(state.name, names.endpoint_config(self._prefix, model, live), keep=True)
            except (Conflict, NotFound) as error:
                raise Transient(f"endpoint {state.name} is busy: {error}") from error
            raise Transient(f"endpoint {state.name} goes back to one variant")
        try:
            self._endpoints.delete_config(config)
        except NotFound:
            log.info("%s is gone already", config)

    def _config(self, found: ExperimentItem) -> str:
        return names.lane_config(self._prefix, found["model"], found["experiment"])

    def _state(self, model: str) -> EndpointState | None:
        return state_of(self._endpoints, names.endpoint(self._prefix, model))
