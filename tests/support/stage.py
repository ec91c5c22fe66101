"""A model with versions that were trained before, and the services that bring them to the endpoint: no data, no jobs.

Milliseconds instead of the whole flow, for what is about versions and endpoints alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sluicegate.domain.items import ModelItem, VersionItem, is_moving, stamp
from sluicegate.services.advance import Advance
from sluicegate.services.deploy import Deploy
from sluicegate.services.ledger import Ledger
from sluicegate.services.rollout import Rollout
from sluicegate.services.steer import By, Steer
from sluicegate.services.track import Track
from sluicegate.services.unheard import Unheard
from tests.support.fakes import (
    Crash,
    FakeAlarms,
    FakeBell,
    FakeEndpoints,
    FakeJobs,
    FakeMetrics,
    FakePackages,
    FakeQueue,
    FakeRegistry,
    FakeScaling,
    FakeStorage,
    World,
)

PREFIX, REGION, MODEL = "sluicegate", "us-east-1", "churn"
ENDPOINT = f"{PREFIX}-{MODEL}"
DOCUMENT = b"""{"encoder": {"columns": []}, "schema": {"columns": []}, "wire": {"train": "csv", "infer": "csv"},
"problem": {"kind": "binary", "classes": ["no", "yes"]}}"""
ANN = By("ann", "because")


class Stage:
    """``world`` may crash after an effect. Deliveries wait in ``pending`` until the test delivers them."""

    def __init__(self, settings: str = "", world: World | None = None) -> None:
        self.world = world or World()
        self.settings = settings
        self.registry, self.storage = FakeRegistry(self.world), FakeStorage(self.world)
        self.endpoints, self.jobs = FakeEndpoints(self.world), FakeJobs(self.world)
        self.packages, self.metrics = FakePackages(self.world), FakeMetrics(self.world)
        self.alarms = FakeAlarms(self.world, self.metrics)
        self.scaling = FakeScaling(self.world)
        self.packages.groups.add(ENDPOINT)
        self.pending: list[tuple[str, str]] = []
        self._seen = 0
        now = stamp(self.world.now)
        self.registry.items["model", MODEL, ""] = {
            "model": MODEL,
            "state": "working",
            "message": "",
            "created_at": now,
            "updated_at": now,
            "revision": 1,
            "endpoint": ENDPOINT,
            "settings": settings,
        }

    # what there is

    def add(self, status: str = "pending_approval", document: bytes = DOCUMENT) -> int:
        """A version that was just registered: rejected, pending_approval, or approved (its event is on the way)."""
        number = 1 + len(self.registry.versions(MODEL))
        run, at = f"{number:08x}", stamp(self.world.now)
        arn = f"arn:aws:sagemaker:{REGION}:123456789012:model-package/{ENDPOINT}/{number}"
        self.storage.objects[f"datasets/{MODEL}/d{number}/dataset.json"] = document
        self.jobs.models[f"{ENDPOINT}-{run}"] = "artifact"
        ended = {"rejected": "rejected", "pending_approval": "awaiting_approval", "approved": "deploying"}[status]
        self.registry.items["run", MODEL, run] = {
            "run": run,
            "model": MODEL,
            "status": ended,
            "settings": self.settings,
            "history": [],
            "created_at": at,
            "updated_at": at,
            "version": number,
            "dataset_version": f"d{number}",
        }
        self.registry.items["version", MODEL, number] = {
            "model": MODEL,
            "version": number,
            "run": run,
            "status": status,
            "dataset_version": f"d{number}",
            "metrics": {},
            "reason": "worse than the champion" if status == "rejected" else "",
            "model_package_arn": arn,
            "history": [{"at": at, "status": status, "message": ""}],
            "created_at": at,
        }
        if status != "rejected":
            item = self.registry.items["model", MODEL, ""]
            item["awaited"] = [*(item.get("awaited") or []), number]
        self._package(arn, number, run)
        decided = {"rejected": "Rejected", "pending_approval": "PendingManualApproval", "approved": "Approved"}[status]
        self.packages.decide(arn, decided, "")
        return number

    def _package(self, arn: str, number: int, run: str) -> None:
        from sluicegate.ports import Package

        self.packages.packages[arn] = Package(
            arn, ENDPOINT, number, "PendingManualApproval", self.world.now, {"run": run}
        )

    def model(self) -> ModelItem:
        found: ModelItem = self.registry.model(MODEL)
        return found

    def version(self, number: int) -> VersionItem:
        found: VersionItem = self.registry.version(MODEL, number)
        return found

    def status(self, number: int) -> str:
        return self.version(number)["status"]

    @property
    def live(self) -> int | None:
        return self.model().get("live_version")

    @property
    def lanes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.storage.json(f"routing/{MODEL}.json")["lanes"]
        return found

    # every delivery is a new process: nothing is kept between them

    def ledger(self) -> Ledger:
        return Ledger(self.registry, FakeQueue(self.world), PREFIX, 0, pause=lambda _: None)

    def rollout(self) -> Rollout:
        outside = (self.storage, self.endpoints, self.jobs, self.alarms, self.metrics, self.scaling)
        return Rollout(self.ledger(), *outside, PREFIX, REGION)

    def steer(self) -> Steer:
        return Steer(self.ledger(), FakeBell(self.world))

    def deploy(self) -> Deploy:
        return Deploy(self.ledger(), self.packages, self.rollout(), FakeBell(self.world), PREFIX)

    def unheard(self) -> Unheard:
        return Unheard(self.ledger(), self.packages, self.deploy())

    def deliver(self, kind: str, about: str) -> str:
        now = self.world.tick()
        if kind == "package":
            return self.deploy().package_changed(about, now)
        if kind == "endpoint":
            return Track(self.registry, self.rollout(), FakeBell(self.world), PREFIX).endpoint_changed(about, now)
        advance = Advance(self.ledger(), self.packages, self.rollout(), self.unheard())
        return advance.one(about, now) if kind == "bell" else str(advance.all(now))

    def attempt(self, kind: str, about: str) -> None:
        """A delivery that comes again when its process ends before its end."""
        try:
            self.deliver(kind, about)
        except Crash:
            self.collect()
            self.pending.append((kind, about))

    def collect(self) -> None:
        for kind, _identity, about in self.world.events[self._seen :]:
            self.pending.append((kind, about))
        self._seen = len(self.world.events)

    def play(self) -> None:
        """Until nothing more happens: deliveries in their order, then SageMaker ends what it does, then a tick."""
        for _ in range(200):
            self.collect()
            if self.pending:
                self.attempt(*self.pending.pop(0))
            elif not self.sagemaker():
                if not is_moving(self.model()):
                    return
                self.world.now += timedelta(seconds=59)
                self.attempt("tick", "")
        raise AssertionError("it does not come to rest")

    def sagemaker(self, failure: str = "") -> bool:
        for name, state in self.endpoints.states.items():
            if state.status in ("Creating", "Updating"):
                self.endpoints.settle(name, failure)
                return True
        return False

    def until(self, reached: Callable[[], bool]) -> None:
        """As ``play``, but only until ``reached``."""
        for _ in range(400):
            if reached():
                return
            self.collect()
            if self.pending:
                self.attempt(*self.pending.pop(0))
            elif not self.sagemaker():
                self.world.now += timedelta(seconds=59)
                self.attempt("tick", "")
        raise AssertionError("it does not get there")

    def serves(self) -> int | None:
        """The version that the endpoint serves, as SageMaker would say."""
        state = self.endpoints.states.get(ENDPOINT)
        return (
            int(state.config.rsplit("-v", 1)[1])
            if state is not None and state.status not in ("Creating", "Failed")
            else None
        )
