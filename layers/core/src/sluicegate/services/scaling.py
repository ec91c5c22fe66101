"""Autoscaling of the variant that serves, as the live version's settings say. Done again, it is done once."""

from __future__ import annotations

from datetime import datetime

from sluicegate.domain import names
from sluicegate.domain.items import ModelItem, ScaledItem
from sluicegate.ports import Instances, Scaling
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

    def follow(self, item: ModelItem, now: datetime) -> None:
        """The live version's variant scales as it should; another one that did no longer does."""
        wanted, has = self._wanted(item), item.get("scaled")
        if has is not None and (wanted is None or wanted["variant"] != has["variant"]):
            self.stop(item, now)
            has = None
        if wanted is None:
            return
        if wanted != has:
            self._write(item, wanted, now)  # before it is so: what is written down is taken back, too
        endpoint = names.endpoint(self._prefix, item["model"])
        self._scaling.keep(endpoint, wanted["variant"], wanted["min"], wanted["max"], wanted["requests"])

    def stop(self, item: ModelItem, now: datetime) -> None:
        """Before the variant goes: SageMaker keeps one that scales from being removed."""
        has = item.get("scaled")
        if has is not None:
            self._scaling.stop(names.endpoint(self._prefix, item["model"]), has["variant"])
            self._write(item, None, now)

    def _wanted(self, item: ModelItem) -> ScaledItem | None:
        live = item.get("live_version")
        if live is None:
            return None
        version = self._registry.version(item["model"], live)
        size = self._blueprint.size(version)
        if not isinstance(size, Instances) or size.most is None:
            return None
        return ScaledItem(variant=variant_of(version), min=size.count, max=size.most, requests=size.requests)

    def _write(self, item: ModelItem, scaled: ScaledItem | None, now: datetime) -> None:
        def plan(current: ModelItem) -> Step | None:
            if current.get("scaled") == scaled:
                return None
            return Step(current.get("message") or "", {"scaled": scaled})

        self._ledger.step(item["model"], now, plan)
