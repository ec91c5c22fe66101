"""``routing/<model>.json``: what ``predict`` is told of a model, made from what the registry says.

One document a model::

    {"model", "problem", "schema", "cause", "salt", "state", "lanes": [lane], "coming": [lane], "shadow": lane | null,
     "subject", "testers", "log": {"sample", "records"}, "feedback": {"window_seconds", "kind", …}}

``lanes`` answer requests by weight, ``coming`` are tried when a lane's variant is not there (any more). A lane has
slot, version, endpoint, variant, weight, encoder, schema, problem, wire and what its algorithm needs to read answers;
the shadow has a sample, too. ``cause`` is the experiment that counts what the lanes do; a rollout counts nothing.
The champion's lane has ``shifting_to``, a version, while SageMaker may answer for either of the two under the one
variant name. Readers take no notice of keys they don't know; an absent key means what was so before there was one.
"""

from __future__ import annotations

import json
from typing import Any

from sluicegate.domain import algorithms, names
from sluicegate.domain.dataset import Wires
from sluicegate.domain.errors import Transient
from sluicegate.domain.items import LaneItem, ModelItem, TrafficItem, VersionItem
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.domain.sleep import endpoint_state
from sluicegate.ports import RegistryReader, Storage
from sluicegate.services import datasets

#: publishing again because the registry moved meanwhile
_ATTEMPTS = 20
#: the parts of a model's item that the document is made of; a change of another doesn't matter here
_SOURCES = ("live_version", "deploying_version", "desired_version", "traffic", "settings", "sleep", "rollout")
CHAMPION = "champion"


class RoutingTable:
    def __init__(self, registry: RegistryReader, storage: Storage, prefix: str) -> None:
        self._registry = registry
        self._storage = storage
        self._prefix = prefix

    def publish(self, model: str) -> None:
        """Write what the registry says, until the registry says the same before and after."""
        for _ in range(_ATTEMPTS):
            item = self._registry.model(model)
            content = json.dumps(self.document(item), ensure_ascii=False, separators=(",", ":")).encode()
            self._storage.write(f"routing/{model}.json", content, "application/json")
            if _sources(self._registry.model(model)) == _sources(item):
                return
        raise Transient(f"the routing of {model} changed {_ATTEMPTS} times while it was written")

    def document(self, item: ModelItem) -> dict[str, Any]:
        model, traffic = item["model"], item.get("traffic")
        serving = self._serving(item)
        shadow = traffic["shadow"] if traffic is not None else None
        targets = {(lane["endpoint"], lane["variant"]) for lane in serving}
        # also a version that serves in a lane of its own: it is on its way to the champion's endpoint, too, and who is
        # assigned to the champion must find it there
        stable = [self._stable(model, number) for number in coming_versions(item)]
        coming = [lane for lane in stable if (lane["endpoint"], lane["variant"]) not in targets]
        lanes = [self._lane(model, lane) | self._shifting(item, lane) for lane in serving]
        standing_by = [self._lane(model, lane) for lane in coming]
        shown = (lanes or standing_by)[:1]
        return {
            "model": model,
            "problem": shown[0]["problem"] if shown else None,
            "schema": shown[0]["schema"] if shown else None,
            "cause": _experiment(item),
            "salt": traffic["salt"] if traffic is not None else None,
            "state": endpoint_state(item) if item.get("sleep") is not None else "serving",
            "lanes": lanes,
            "coming": standing_by,
            "shadow": self._lane(model, shadow) | {"sample": shadow["sample"]} if shadow is not None else None,
            **requests_of(parse_settings(item.get("settings") or "")),
        }

    def _serving(self, item: ModelItem) -> list[LaneItem]:
        """The lanes in force. Whatever the traffic was planned for, its champion is the version that is live: another
        one in the same slot moves no subject."""
        live, traffic = item.get("live_version"), item.get("traffic")
        if live is None:
            return []
        champion = self._stable(item["model"], live)
        return with_champion(traffic, champion) if traffic is not None else [champion]

    def _stable(self, model: str, number: int) -> LaneItem:
        """The lane of a version on the model's own endpoint."""
        return LaneItem(
            slot=CHAMPION,
            version=number,
            weight=1.0,
            endpoint=names.endpoint(self._prefix, model),
            variant=variant_of(self._registry.version(model, number)),
        )

    def _shifting(self, item: ModelItem, lane: LaneItem) -> dict[str, Any]:
        """The version that the model's endpoint changes to under the lane's own variant name, so that nobody can tell
        who answers. Known from the wish on, which is before SageMaker is told, until the endpoint has settled."""
        rollout = item.get("rollout")
        apart = (
            rollout is not None
            and rollout["stage"] in ("bringing", "shifting")
            and rollout["step"] + 1 < len(rollout["steps"])
        )
        if lane["slot"] != CHAMPION or item.get("sleep") is not None or apart:
            return {}  # a version that comes in by a lane leaves the endpoint alone until its last step
        following = [self._stable(item["model"], number) for number in coming_versions(item)[:1]]
        alike = [other for other in following if other["variant"] == lane["variant"]]
        return {"shifting_to": alike[0]["version"]} if alike else {}

    def _lane(self, model: str, lane: LaneItem) -> dict[str, Any]:
        version = self._registry.version(model, lane["version"])
        document = datasets.of_version(self._storage, model, lane["version"], version["dataset_version"])
        return {
            "slot": lane["slot"],
            "version": lane["version"],
            "endpoint": lane["endpoint"],
            "variant": lane["variant"],
            "weight": lane["weight"],
            "encoder": document["encoder"],
            "schema": document["schema"],
            "problem": datasets.problem_of(document, version),
            "wire": Wires.from_json(document.get("wire")).infer,
            **algorithms.of(self._settings(model, version)).lane(),
            **_local(version),
        }

    def _settings(self, model: str, version: VersionItem) -> ModelSettings:
        """Those that ``version`` was trained with."""
        return parse_settings(self._registry.run(model, version["run"]).get("settings") or "")


def requests_of(settings: ModelSettings) -> dict[str, Any]:
    """What the newest model.yaml says of requests, whatever version answers them."""
    return {
        "subject": settings.traffic.subject,
        "testers": settings.traffic.testers,
        "log": {"sample": settings.prediction_log.sample, "records": settings.prediction_log.records},
        "feedback": settings.feedback.routed(),
    }


def variant_of(version: VersionItem) -> str:
    """The production variant that the version serves under: its own, unless it took the one before it over."""
    return version.get("variant") or names.variant(version["version"])


def _local(version: VersionItem) -> dict[str, Any]:
    """Where the model lies that ``predict`` evaluates by itself while the endpoint is not there."""
    key = (version.get("local") or {}).get("key")
    return {"local": {"key": key}} if key else {}


def with_champion(traffic: TrafficItem, champion: LaneItem) -> list[LaneItem]:
    """The lanes of ``traffic`` with ``champion`` in the champion's place; only its weight stays."""
    lanes: list[LaneItem] = []
    for lane in traffic["lanes"]:
        if lane["slot"] == CHAMPION:
            lanes.append({**champion, "weight": lane["weight"]})
        elif lane["version"] != champion["version"]:
            lanes.append(lane)
    return lanes


def _experiment(item: ModelItem) -> str | None:
    """Whoever shares the traffic, when it is not a rollout: that one is watched by its alarms."""
    traffic, rollout = item.get("traffic"), item.get("rollout")
    if traffic is None or (rollout is not None and rollout["id"] == traffic["cause"]):
        return None
    return traffic["cause"]


def coming_versions(item: ModelItem) -> list[int]:
    """Those that may take the live version's place on the model's endpoint."""
    coming = [item.get("deploying_version"), item.get("desired_version")]
    live = item.get("live_version")
    return list(dict.fromkeys(number for number in coming if number is not None and number != live))


def _sources(item: ModelItem) -> list[Any]:
    return [item.get(name) for name in _SOURCES]
