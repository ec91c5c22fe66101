"""The whole application over the fakes, with SageMaker, S3 and SQS played by the test.

Real data are read, split and encoded by DuckDB; only AWS is not there. Deliveries can be repeated, reordered, and
broken off after any effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sluicegate.domain import names
from sluicegate.services.advance import Advance
from sluicegate.services.arrivals import Arrived
from sluicegate.services.batch import StartBatch
from sluicegate.services.costs import Costs
from sluicegate.services.deploy import Deploy
from sluicegate.services.evaluate import Evaluate
from sluicegate.services.finish_batch import FinishBatch
from sluicegate.services.finish_preparation import FinishPreparation
from sluicegate.services.follow import Follow
from sluicegate.services.ingest import Ingest
from sluicegate.services.ledger import Ledger
from sluicegate.services.preparation import Preparation
from sluicegate.services.processing import Processing
from sluicegate.services.register import Register
from sluicegate.services.rollout import Rollout
from sluicegate.services.steer import Steer
from sluicegate.services.track import Track
from sluicegate.services.train import Start
from sluicegate.services.training import Training
from sluicegate.services.unheard import Unheard
from sluicegate.services.withdraw import Withdraw
from tests.support.fakes import (
    Crash,
    FakeAlarms,
    FakeBell,
    FakeEndpoints,
    FakeJobs,
    FakeMetrics,
    FakePackages,
    FakePrices,
    FakeQueue,
    FakeRegistry,
    FakeScaling,
    FakeStorage,
    FakeWorkspace,
    World,
)
from tests.support.processing import FakeProgram, run_processing

PREFIX = "sluicegate"
REGION = "us-east-1"


def table(rows: int, seed: int = 7) -> bytes:
    """A CSV whose target follows from its columns."""
    random = Random(seed)
    lines = ["height,color,won"]
    for _ in range(rows):
        height, color = random.randint(0, 100), random.choice(["red", "green", "blue"])
        lines.append(f"{height},{color},{'yes' if height > 50 else 'no'}")
    return "\n".join(lines).encode() + b"\n"


@dataclass
class Flow:
    world: World = field(default_factory=World)
    quiet: int = 0
    #: the bytes that a function prepares at most; 0: what its disk takes
    limit: int = 0
    #: how well each version predicts: share of right answers of the challenger, by run; 1.0 if not said
    skill: Callable[[str], float] = lambda _run: 1.0

    def __post_init__(self) -> None:
        world = self.world
        self.registry = FakeRegistry(world)
        self.storage = FakeStorage(world)
        self.jobs = FakeJobs(world)
        self.packages = FakePackages(world)
        self.endpoints = FakeEndpoints(world)
        self.metrics = FakeMetrics(world)
        self.alarms = FakeAlarms(world, self.metrics)
        self.scaling = FakeScaling(world)
        self.workspace = FakeWorkspace()
        self.prices = FakePrices()
        self.pending: list[tuple[str, str, Any]] = []
        self._seen_messages = self._seen_events = 0
        self.fail_update = ""

    # every delivery is a new process: nothing is kept between them

    def ledger(self) -> Ledger:
        return Ledger(self.registry, FakeQueue(self.world), PREFIX, self.quiet, pause=lambda _: None)

    def rollout(self) -> Rollout:
        outside = (self.storage, self.endpoints, self.jobs, self.alarms, self.metrics, self.scaling)
        return Rollout(self.ledger(), *outside, PREFIX, REGION)

    def processing(self, ledger: Ledger) -> Processing:
        priced = Costs(self.registry, self.prices, REGION)
        places = (self.storage, self.jobs, self.workspace, FakeProgram())
        return Processing(ledger, *places, priced, REGION, PREFIX)

    def training(self, ledger: Ledger) -> Training:
        priced = Costs(self.registry, self.prices, REGION)
        return Training(ledger, self.storage, self.jobs, priced, REGION, PREFIX)

    def starter(self, ledger: Ledger) -> Start:
        processing = self.processing(ledger)
        preparation = Preparation(ledger, self.storage, self.workspace, processing, self.limit)
        return Start(ledger, self.storage, preparation, processing, self.training(ledger))

    def deliver(self, kind: str, identity: str, about: Any) -> str:
        now = self.world.tick()
        ledger = self.ledger()
        if kind == "object":
            key, etag, sequencer = about
            if key.startswith("batch/"):
                start = StartBatch(self.registry, self.storage, self.jobs, self.workspace, REGION, PREFIX)
                return start.object_created(Arrived(key, etag, now, sequencer))
            return Ingest(ledger, self.storage, self.workspace).object_created(Arrived(key, etag, now, sequencer))
        if kind == "gone":
            key, sequencer = about
            return Withdraw(ledger, self.storage).object_deleted(Arrived(key, "", now, sequencer))
        if kind == "message":
            return self.starter(ledger).look(about["model"], about["cause"], identity, now)
        if kind == "processing":
            finish_preparation = FinishPreparation(ledger, self.processing(ledger), self.training(ledger))
            return finish_preparation.job_ended(about, now)
        if kind == "training":
            return Evaluate(ledger, self.storage, self.jobs, REGION, PREFIX).job_ended(about, now)
        if kind == "transform" and names.batch_owner(PREFIX, about) is not None:
            finish = FinishBatch(self.registry, self.storage, self.jobs, self.workspace, PREFIX)
            return finish.transform_ended(about, now)
        if kind in ("trial", "tuning"):
            follow = Follow(ledger, self.jobs, Evaluate(ledger, self.storage, self.jobs, REGION, PREFIX), PREFIX)
            return follow.trial_ended(about, now) if kind == "trial" else follow.tuning_ended(about, now)
        if kind == "transform":
            register = Register(ledger, self.storage, self.jobs, self.packages, self.workspace, REGION, PREFIX)
            return register.transform_ended(about, identity, now)
        deploy = Deploy(ledger, self.packages, self.rollout(), FakeBell(self.world), PREFIX)
        if kind == "package":
            return deploy.package_changed(about, now)
        if kind in ("bell", "tick"):
            advance = Advance(ledger, self.packages, self.rollout(), Unheard(ledger, self.packages, deploy))
            return advance.one(about, now) if kind == "bell" else str(advance.all(now))
        if kind == "endpoint":
            return Track(self.registry, self.rollout(), FakeBell(self.world), PREFIX).endpoint_changed(about, now)
        raise ValueError(kind)

    def steer(self) -> Steer:
        return Steer(self.ledger(), FakeBell(self.world))

    def put(self, key: str, content: bytes) -> None:
        """A user's upload, with its event."""
        etag = self.storage.put(key, content)
        number = next(self.world.ids)
        self.pending.append(("object", f"event-{number}", (key, etag, f"{number:018X}")))

    def delete(self, key: str) -> None:
        """A user's deletion, with its event."""
        del self.storage.objects[key]
        number = next(self.world.ids)
        self.pending.append(("gone", f"event-{number}", (key, f"{number:018X}")))

    def collect(self) -> None:
        for identity, body, _delay in self.world.messages[self._seen_messages :]:
            self.pending.append(("message", identity, body))
        self._seen_messages = len(self.world.messages)
        for kind, identity, about in self.world.events[self._seen_events :]:
            self.pending.append((kind, identity, about))
        self._seen_events = len(self.world.events)

    def play(self, copies: int = 1, random: Random | None = None, watch: Callable[[], object] = lambda: None) -> None:
        """Until nothing more happens. Each delivery is made ``copies`` times; with ``random`` in any order. ``watch``
        is called before each."""
        for _ in range(400):
            self.collect()
            watch()
            if not self.pending:
                if not self.sagemaker():
                    return
                continue
            at = random.randrange(len(self.pending)) if random else 0
            kind, identity, about = self.pending.pop(at)
            for _copy in range(copies):
                self.attempt(kind, identity, about)
        raise AssertionError("it does not come to rest")

    def attempt(self, kind: str, identity: str, about: Any) -> None:
        try:
            self.deliver(kind, identity, about)
        except Crash:
            self.collect()  # what it did before stands, and its events may come first
            self.pending.append((kind, identity, about))

    def sagemaker(self) -> bool:
        """Ends one job or settles one endpoint that is under way; False when none is."""
        for (kind, name), job in self.jobs.states.items():
            if not job.over:
                if kind == "transform":
                    self.predict(name)
                if kind == "processing":
                    status, reason = run_processing(self.jobs.processing[name], self.storage)
                    self.jobs.end(kind, name, status, reason)
                    return True
                self.jobs.end(kind, name)
                return True
        for name, tuning in self.jobs.tunings.items():
            if tuning.status in ("InProgress", "Stopping"):
                self.jobs.step_tuning(name)
                return True
        for name, state in self.endpoints.states.items():
            if state.status in ("Creating", "Updating"):
                self.endpoints.settle(name, self.fail_update)
                return True
        return False

    def predict(self, name: str) -> None:
        """What the transform job would write: the labels, with as many turned round as the model's skill leaves."""
        spec = self.jobs.transforms[name]
        prefix = spec.input_uri.removeprefix("s3://data/")
        if names.batch_owner(PREFIX, name) is not None:
            self.predict_batch(prefix, spec.output_uri.removeprefix("s3://data/"))
            return
        folder = prefix.removesuffix("champion-holdout/").removesuffix("holdout/")
        labels = self.storage.objects[folder + "holdout-labels/part-00000.csv"].decode().split()
        rows = self.storage.objects[prefix + "part-00000.csv"].decode().strip().split("\n")
        assert len(rows) == len(labels)
        random = Random(name)
        skill = self.skill(spec.model_name)
        right = [random.random() < skill for _ in labels]
        found = [0.9 if (label == "1") == good else 0.1 for label, good in zip(labels, right, strict=True)]
        lines = "\n".join(str(value) for value in found) + "\n"
        key = spec.output_uri.removeprefix("s3://data/") + "/part-00000.csv.out"
        self.storage.objects[key] = lines.encode()

    def predict_batch(self, prefix: str, output: str) -> None:
        """Each part's rows by the rule that ``table`` made: the height, which is the first number, decides."""
        for part in self.storage.list(prefix):
            rows = self.storage.objects[part.key].decode().splitlines()
            heights = [float(row.split(",", 1)[0] or "nan") for row in rows]
            body = "".join(f"{0.9 if height > 50 else 0.1}\n" for height in heights)
            self.storage.objects[f"{output}/{part.key.rsplit('/', 1)[-1]}.out"] = body.encode()
