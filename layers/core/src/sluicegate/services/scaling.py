"""Autoscaling of the variants that serve, each as its version's settings say. Done again, it is done once."""

from __future__ import annotations

from datetime import datetime

from sluicegate.domain import names
from sluicegate.domain.errors import NotFound
from sluicegate.domain.items import ModelItem, ScaledItem
from sluicegate.ports_serving import Instances, Scaling
from sluicegate.services.blueprint import Blueprint
from sluicegate.services.ledger import Ledger, Step
from sluicegate.services.routing import variant_of


class Scaler:
    def __init__(self, ledger: Ledger, scaling: Scaling, blueprint: Blueprint, prefix: str) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._scaling = scaling
        self._blueprint = blueprint
        self._prefix = prefix

    def follow(self, item: ModelItem, config: str | None, now: datetime) -> None:
        """The live version's variant scales as it should, and so do an experiment's, where the endpoint's ``config``
        has them; others that did no longer do."""
        wanted = self._wanted(item, config)
        names_of = {one["variant"] for one in wanted}
        gone = [one["variant"] for one in item.get("scaled") or [] if one["variant"] not in names_of]
        endpoint = names.endpoint(self._prefix, item["model"])
        for variant in gone:
            self._scaling.stop(endpoint, variant)
        if wanted != (item.get("scaled") or []):
            self._write(item, wanted, now)  # before it is so: what is written down is taken back, too
        for one in wanted:
            self._scaling.keep(endpoint, one["variant"], one["min"], one["max"], one["requests"])

    def stop(self, item: ModelItem, now: datetime, keep: str | None = None) -> None:
        """Before variants go, all but ``keep``: SageMaker keeps one that scales from being removed."""
        has = item.get("scaled") or []
        staying = [one for one in has if one["variant"] == keep]
        if staying == has:
            return
        for one in has:
            if one["variant"] != keep:
                self._scaling.stop(names.endpoint(self._prefix, item["model"]), one["variant"])
        self._write(item, staying, now)

    def _wanted(self, item: ModelItem, config: str | None) -> list[ScaledItem]:
        live = item.get("live_version")
        if live is None:
            return []
        champion = self._scaled(item["model"], live, variant_of(self._registry.version(item["model"], live)))
        lanes = [
            self._scaled(item["model"], number, names.lane_variant(number)) for number in self._lanes(item, config)
        ]
        return [one for one in (champion, *lanes) if one is not None]

    def _lanes(self, item: ModelItem, config: str | None) -> list[int]:
        """The challengers that are variants of the endpoint, until they are about to go."""
        cause = names.config_cause(self._prefix, item["model"], config)
        if cause is None or cause != item.get("experiment"):
            return []
        try:
            found = self._registry.experiment(item["model"], cause)
        except NotFound:
            return []
        return [lane["version"] for lane in found["lanes"][1:]] if found.get("settled_at") is None else []

    def _scaled(self, model: str, number: int, variant: str) -> ScaledItem | None:
        size = self._blueprint.size(self._registry.version(model, number))
        if not isinstance(size, Instances) or size.most is None:
            return None
        return ScaledItem(variant=variant, min=size.count, max=size.most, requests=size.requests)

    def _write(self, item: ModelItem, scaled: list[ScaledItem], now: datetime) -> None:
        def plan(current: ModelItem) -> Step | None:
            if (current.get("scaled") or []) == scaled:
                return None
            return Step(current.get("message") or "", {"scaled": scaled or None})

        self._ledger.step(item["model"], now, plan)
