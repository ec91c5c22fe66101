"""Endpoints that nobody calls are put to sleep (``idle_shutdown`` in model.yaml). Those that are gone are told of.

Looks at the application's own endpoints alone: by name, by tag, and by the endpoint config that it gave them.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sluicegate.domain import names
from sluicegate.domain.durations import duration_seconds
from sluicegate.domain.items import ModelItem, moment
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.domain.settings_sleep import kept_awake
from sluicegate.domain.sleep import why_awake
from sluicegate.ports import RolloutBell
from sluicegate.ports_serving import Calls, Endpoints, EndpointState
from sluicegate.services.costs import Costs
from sluicegate.services.endpoint_states import state_of
from sluicegate.services.ledger import Ledger
from sluicegate.services.routing import variant_of
from sluicegate.services.sleeping import put_to_sleep
from sluicegate.services.ticks import each, ring

log = logging.getLogger(__name__)

#: CloudWatch shows a call some minutes after it was made, so the time without calls is looked at by so much longer
LATE = timedelta(minutes=5)


class Reap:
    """``look`` may be called again for the same time, any number of times."""

    def __init__(
        self, ledger: Ledger, endpoints: Endpoints, calls: Calls, costs: Costs, bell: RolloutBell, prefix: str
    ) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._endpoints = endpoints
        self._calls = calls
        self._costs = costs
        self._bell = bell
        self._prefix = prefix

    def look(self, now: datetime) -> list[str]:
        """The models whose endpoints go to sleep. Raises ``Transient`` when some could not be looked at, after the
        others were."""
        awake = (line for line in self._registry.models() if line.get("live_version") is not None)
        candidates = [line["model"] for line in awake if line.get("experiment") is None]
        done = each(candidates, lambda model: self._one(self._registry.model(model), now))
        return [model for model, asleep in done.items() if asleep]

    def _one(self, item: ModelItem, now: datetime) -> bool:
        model = item["model"]
        if why_awake(item) is not None:
            return False
        state = state_of(self._endpoints, names.endpoint(self._prefix, model))
        if state is None:
            log.warning("endpoint %s is gone: somebody deleted it", names.endpoint(self._prefix, model))
            ring(self._bell, model, now)  # SageMaker may tell nobody of that; the rollouts look again before they act
            return False
        settings = parse_settings(item.get("settings") or "")
        if settings.idle_shutdown is None or kept_awake(settings.keep_awake, now):
            return False
        since = now - timedelta(seconds=duration_seconds(settings.idle_shutdown)) - LATE
        if not self._is_idle(item, state, since, now):
            return False
        why = f"nobody has called it for {settings.idle_shutdown}."
        expect = {"live_version": item["live_version"], "awake_since": item.get("awake_since")}
        done = put_to_sleep(
            self._ledger, model, now, "idle_shutdown", why, lambda one: self._costs.price(one, "hosting"), expect
        )
        if done:
            ring(self._bell, model, now)
        return done

    def _is_idle(self, item: ModelItem, state: EndpointState, since: datetime, now: datetime) -> bool:
        """Whether the live version's endpoint is ours, serves since before ``since``, and was not called after it."""
        model, live = item["model"], item["live_version"]
        serving = item.get("live")
        begun = [serving["since"] if serving else None, item.get("awake_since")]
        if live is None or any(text is not None and moment(text) > since for text in begun):
            return False
        ours = names.config_version(self._prefix, model, state.config) == live
        if not state.free or not ours or state.created is None or state.created > since:
            return False
        if self._endpoints.tags(state.arn).get("sluicegate:model") != model:
            log.warning("endpoint %s has not our tag: it is left alone", state.name)
            return False
        variant = variant_of(self._registry.version(model, live))
        return self._calls.count(state.name, variant, since, now) == 0
