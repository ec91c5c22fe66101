"""The ports in memory: one world that all services of a test share, with SageMaker's rules about names and states.

Every call that writes goes through ``World.effect``, which a fault test can make fail after it took effect.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

from sluicegate.domain.errors import AlreadyExists, Conflict, NotFound, Refused
from sluicegate.domain.items import SummaryItem
from sluicegate.ports import (
    Awaited,
    Change,
    Job,
    Package,
    PackageSpec,
    ProcessingSpec,
    StoredObject,
    TrainingSpec,
    TransformSpec,
    Trial,
    TuningJob,
    TuningSpec,
)
from sluicegate.ports_serving import (
    LONGEST_UPDATE,
    AlarmSpec,
    AlarmState,
    BlueGreen,
    EndpointState,
    Instances,
    Serverless,
    VariantSpec,
)

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Crash(BaseException):
    """The function's process ended. No ``except`` of the application may catch it."""


@dataclass
class World:
    """What happened, in order: ``effects`` (what was written), ``events`` (what SageMaker said), ``messages``."""

    now: datetime = START
    effects: list[str] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)  # (kind, event id, what it is about)
    messages: list[tuple[str, dict[str, Any], int]] = field(default_factory=list)  # (message id, body, delay)
    crash_after: int | None = None  # crash when this many effects have taken place
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def effect(self, what: str) -> None:
        """Something was written; from here on it stands, whatever happens to the writer."""
        self.effects.append(what)
        if self.crash_after is not None and len(self.effects) == self.crash_after:
            self.crash_after = None
            raise Crash(what)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def say(self, kind: str, about: str) -> None:
        self.events.append((kind, f"event-{next(self.ids)}", about))


class FakeRegistry:
    def __init__(self, world: World) -> None:
        self.world = world
        self.items: dict[tuple[str, str | None, str | int], dict[str, Any]] = {}
        self.before_commit: Callable[[], None] = lambda: None

    def _one(self, kind: str, model: str | None, name: str | int) -> Any:
        try:
            return json.loads(json.dumps(self.items[kind, model, name]))
        except KeyError:
            raise NotFound(f"{kind} {name} of {model}") from None

    def _all(self, kind: str, model: str | None, by: str) -> list[Any]:
        found = [self._one(*key) for key in self.items if key[:2] == (kind, model)]
        return sorted(found, key=lambda item: item[by], reverse=True)

    def models(self) -> list[SummaryItem]:
        names = ["model", "state", "live_version", "problem", "target", "updated_at", "message"]
        names += ["active_run", "scheduled_for", "asked", "experiment", "challenging", "moving", "awaited"]
        models = sorted(key[1] or "" for key in self.items if key[0] == "model")
        return [{n: self._one("model", m, "").get(n) for n in names} for m in models]  # type: ignore[misc]

    def model(self, model: str) -> Any:
        return self._one("model", model, "")

    def uploads(self, model: str) -> list[Any]:
        return self._all("upload", model, "received_at")

    def upload(self, model: str | None, upload: str) -> Any:
        return self._one("upload", model, upload)

    def unplaced(self) -> list[Any]:
        return self._all("upload", None, "received_at")

    def runs(self, model: str) -> list[Any]:
        return self._all("run", model, "created_at")

    def run(self, model: str, run: str) -> Any:
        return self._one("run", model, run)

    def versions(self, model: str) -> list[Any]:
        return self._all("version", model, "version")

    def version(self, model: str, version: int) -> Any:
        return self._one("version", model, version)

    def batches(self, model: str) -> list[Any]:
        return self._all("batch", model, "received_at")

    def batch(self, model: str, batch: str) -> Any:
        return self._one("batch", model, batch)

    def predicting(self) -> list[Awaited]:
        batches = [item for (kind, *_), item in self.items.items() if kind == "batch"]
        return [Awaited(item["model"], item["batch"]) for item in batches if item["status"] == "predicting"]

    def experiments(self, model: str) -> list[Any]:
        return self._all("experiment", model, "created_at")

    def experiment(self, model: str, experiment: str) -> Any:
        return self._one("experiment", model, experiment)

    def commit(self, changes: Sequence[Change]) -> None:
        self.before_commit()
        keys = [(change.kind, change.model, change.name) for change in changes]
        assert len(set(keys)) == len(keys), "DynamoDB takes one operation an item in a transaction"
        for change, key in zip(changes, keys, strict=True):
            item = self.items.get(key, {})
            if change.status_in is not None and item.get("status") not in change.status_in:
                raise Conflict(f"{key} is {item.get('status')}")
            for name, value in change.expect.items():
                if item.get(name) != value:
                    raise Conflict(f"{key}: {name} is {item.get(name)!r}, not {value!r}")
        for change, key in zip(changes, keys, strict=True):
            item = self.items.setdefault(key, {})
            for name, value in change.set.items():
                if value is None:
                    item.pop(name, None)
                else:
                    item[name] = json.loads(json.dumps(value))
            if change.status is not None:
                lines = [{"at": change.at, "status": status, "message": ""} for status in change.passing]
                lines.append({"at": change.at, "status": change.status, "message": change.message})
                item["status"] = change.status
                item["history"] = [*item.get("history", []), *lines]
        self.world.effect("commit " + ", ".join(f"{c.kind} {c.name} {c.status or '='}" for c in changes))


class FakeStorage:
    bucket = "data"

    def __init__(self, world: World) -> None:
        self.world = world
        self.objects: dict[str, bytes] = {}

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, content: bytes) -> str:
        """A user's write: no effect of the application. The ETag."""
        self.objects[key] = content
        return self.head(key).etag

    def head(self, key: str) -> StoredObject:
        content = self._content(key)
        return StoredObject(key, len(content), md5(content).hexdigest())

    def _content(self, key: str) -> bytes:
        if key not in self.objects:
            raise NotFound(key)
        return self.objects[key]

    def list(self, prefix: str) -> Iterator[StoredObject]:
        yield from [self.head(key) for key in sorted(self.objects) if key.startswith(prefix)]

    def download(self, key: str, target: Path, etag: str | None = None) -> None:
        if etag is not None and self.head(key).etag != etag:
            raise NotFound(f"{key} has other content")
        target.write_bytes(self._content(key))

    def upload(self, source: Path, key: str) -> None:
        self.objects[key] = source.read_bytes()
        self.world.effect(f"upload {key}")

    def read(self, key: str, limit: int) -> bytes:
        return self._content(key)[: limit + 1]

    def link(self, key: str, seconds: int) -> str:
        return f"https://{self.bucket}.example/{key}?for={seconds}"

    def write(self, key: str, content: bytes, content_type: str) -> None:
        self.objects[key] = content
        self.world.effect(f"write {key}")

    def json(self, key: str) -> Any:
        return json.loads(self._content(key))


class FakeQueue:
    def __init__(self, world: World) -> None:
        self.world = world

    def send(self, message: Mapping[str, Any], delay_seconds: int) -> None:
        self.world.messages.append((f"message-{next(self.world.ids)}", dict(message), delay_seconds))
        self.world.effect(f"send {message['cause']}")


@dataclass
class FakeTuning:
    spec: TuningSpec
    trials: list[Trial] = field(default_factory=list)
    status: str = "InProgress"


class FakePrices:
    """A price list with one price, or one that can't be asked."""

    def __init__(self, usd: float | None = 0.115) -> None:
        self.usd = usd

    def usd_per_hour(self, region: str, instance: str, what: str) -> float:
        if self.usd is None:
            raise NotFound(instance)
        return self.usd


class FakeJobs:
    """Jobs stay ``InProgress`` until the test ends them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.training: dict[str, TrainingSpec] = {}
        self.transforms: dict[str, TransformSpec] = {}
        self.processing: dict[str, ProcessingSpec] = {}
        self.models: dict[str, str] = {}
        self.environments: dict[str, dict[str, str]] = {}
        self.states: dict[tuple[str, str], Job] = {}
        self.refuse: Exception | None = None
        self.tunings: dict[str, FakeTuning] = {}
        #: what each training job and trial is billed
        self.seconds = 120.0

    def create_tuning_job(self, spec: TuningSpec) -> None:
        if self.refuse is not None:
            raise self.refuse
        if spec.name in self.tunings:
            raise AlreadyExists(spec.name)
        self.tunings[spec.name] = FakeTuning(spec)
        self.world.effect(f"tuning job {spec.name}")

    def tuning_job(self, name: str) -> TuningJob:
        if name not in self.tunings:
            raise NotFound(name)
        found = self.tunings[name]
        completed = [trial for trial in found.trials if trial.status == "Completed" and trial.value is not None]
        best = (max if found.spec.direction == "Maximize" else min)(
            completed, key=lambda each: each.value or 0.0, default=None
        )
        reason = "No training job succeeded" if found.status == "Failed" else ""
        return TuningJob(name, found.status, reason, found.spec.trial.output_uri, best.name if best else None)

    def trials(self, tuning_job: str) -> list[Trial]:
        return list(self.tunings[tuning_job].trials)

    def stop_tuning_job(self, name: str) -> None:
        if self.tunings[name].status == "InProgress":
            self.tunings[name].status = "Stopping"
        self.world.effect(f"stop tuning job {name}")

    def step_tuning(self, name: str) -> None:
        """SageMaker's doing: one more trial begins and ends, or the tuning job is over."""
        found = self.tunings[name]
        number = len(found.trials) + 1
        if found.status == "Stopping":
            found.status = "Stopped"
        elif len(found.trials) == found.spec.jobs:
            failed = all(trial.value is None for trial in found.trials)
            found.status = "Failed" if failed else "Completed"
        else:
            outcome = self.outcome(number)
            trial = Trial(f"{name}-{number:03d}-0a1b2c{number:02d}", outcome[0], {"eta": f"0.{number}"}, outcome[1])
            found.trials.append(trial)
            reason = "AlgorithmError: it broke" if outcome[0] == "Failed" else ""
            self.states["training", trial.name] = Job(trial.name, outcome[0], reason, self.seconds)
            self.world.say("trial", trial.name)
            return
        self.world.say("tuning", name)

    def outcome(self, number: int) -> tuple[str, float | None]:
        """How a trial ends, and its objective; the second is the best."""
        return "Completed", {1: 0.7, 2: 0.9}.get(number, 0.8)

    def create_training_job(self, spec: TrainingSpec) -> None:
        if self.refuse is not None:
            raise self.refuse
        if spec.name in self.training:
            raise AlreadyExists(spec.name)
        self.training[spec.name] = spec
        self.states["training", spec.name] = Job(spec.name, "InProgress")
        self.world.effect(f"training job {spec.name}")

    def create_processing_job(self, spec: ProcessingSpec) -> None:
        if self.refuse is not None:
            raise self.refuse
        if spec.name in self.processing:
            raise AlreadyExists(spec.name)
        self.processing[spec.name] = spec
        self.states["processing", spec.name] = Job(spec.name, "InProgress")
        self.world.effect(f"processing job {spec.name}")

    def processing_job(self, name: str) -> Job:
        return self._state("processing", name)

    def training_job(self, name: str) -> Job:
        return self._state("training", name)

    def transform_job(self, name: str) -> Job:
        return self._state("transform", name)

    def _state(self, kind: str, name: str) -> Job:
        try:
            return self.states[kind, name]
        except KeyError:
            raise NotFound(name) from None

    def end(self, kind: str, name: str, status: str = "Completed", reason: str = "") -> None:
        """SageMaker's doing: the job ends and an event says so."""
        self.states[kind, name] = Job(name, status, reason, self.seconds)
        self.world.say(kind, name)

    def create_model(
        self,
        name: str,
        image: str,
        artifact_uri: str,
        tags: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if name in self.models:
            raise AlreadyExists(name)
        self.environments[name] = dict(environment or {})
        self.models[name] = artifact_uri
        self.world.effect(f"model {name}")

    def delete_model(self, name: str) -> None:
        if name not in self.models:
            raise NotFound(name)
        del self.models[name]
        self.world.effect(f"delete model {name}")

    def create_transform_job(self, spec: TransformSpec) -> None:
        if spec.model_name not in self.models:
            raise NotFound(spec.model_name)
        if spec.name in self.transforms:
            raise AlreadyExists(spec.name)
        self.transforms[spec.name] = spec
        self.states["transform", spec.name] = Job(spec.name, "InProgress")
        self.world.effect(f"transform job {spec.name}")


class FakePackages:
    def __init__(self, world: World) -> None:
        self.world = world
        self.groups: set[str] = set()
        self.packages: dict[str, Package] = {}
        self.descriptions: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.specs: list[PackageSpec] = []

    def create_group(self, group: str, description: str, tags: Mapping[str, str]) -> None:
        if group in self.groups:
            raise AlreadyExists(group)
        self.groups.add(group)
        self.world.effect(f"group {group}")

    def find(self, group: str, description: str, since: datetime) -> Package | None:
        found = [arn for arn, text in self.descriptions.items() if text == description]
        return self.packages[found[0]] if found else None

    def create(self, spec: PackageSpec) -> Package:
        if spec.group not in self.groups:
            raise NotFound(spec.group)
        if spec in self.specs:  # the client token of a first call, with the same parameters
            return next(package for arn, package in self.packages.items() if self.descriptions[arn] == spec.description)
        number = 1 + sum(package.group == spec.group for package in self.packages.values())
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{spec.group}/{number}"
        package = Package(arn, spec.group, number, "PendingManualApproval", self.world.now, spec.metadata)
        self.packages[arn] = package
        self.specs.append(spec)
        self.descriptions[arn] = spec.description
        self.world.effect(f"package {arn}")
        return package

    def decide(self, arn: str, approval: str, reason: str) -> None:
        decided = replace(self.packages[arn], approval=approval, decided_at=self.world.tick(), reason=reason)
        self.packages[arn] = decided
        self.reasons[arn] = reason
        if approval != "PendingManualApproval":
            self.world.say("package", arn)
        self.world.effect(f"decide {arn} {approval}")

    def package(self, arn: str) -> Package:
        try:
            return self.packages[arn]
        except KeyError:
            raise NotFound(arn) from None


class FakeEndpoints:
    """Endpoints stay ``Creating`` or ``Updating`` until the test settles them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.endpoint_configs: dict[str, tuple[str, str, Serverless | Instances]] = {}
        self.states: dict[str, EndpointState] = {}
        self.orders: list[str] = []
        self.guards: dict[str, BlueGreen | None] = {}
        self.kept: dict[str, bool] = {}
        #: all variants of a config, by name
        self.variants: dict[str, dict[str, VariantSpec]] = {}
        self._weighed: dict[str, Mapping[str, float]] = {}
        self.tagged: dict[str, dict[str, str]] = {}

    def tags(self, arn: str) -> Mapping[str, str]:
        return self.tagged[arn]

    def create_config(self, name: str, variants: Sequence[VariantSpec], tags: Mapping[str, str]) -> None:
        if name in self.endpoint_configs:
            raise AlreadyExists(name)
        assert len({one.name for one in variants}) == len(variants), "variants of one name"
        assert len(variants) == 1 or all(isinstance(one.size, Instances) for one in variants), "serverless has one"
        self.variants[name] = {one.name: one for one in variants}
        self.endpoint_configs[name] = (variants[0].model_name, variants[0].name, variants[0].size)
        self.world.effect(f"config {name}")

    def config_variant(self, name: str) -> str:
        if name not in self.endpoint_configs:
            raise NotFound(name)
        return self.endpoint_configs[name][1]

    def delete_config(self, name: str) -> None:
        if name not in self.endpoint_configs:
            raise NotFound(name)
        used = {name for state in self.states.values() for name in (state.config, state.pending_config)}
        assert name not in used, "deleted the config that serves"
        del self.endpoint_configs[name], self.variants[name]
        self.world.effect(f"delete config {name}")

    def endpoint(self, name: str) -> EndpointState:
        try:
            return self.states[name]
        except KeyError:
            raise NotFound(name) from None

    def create(self, name: str, config: str, tags: Mapping[str, str]) -> None:
        if name in self.states:
            raise AlreadyExists(name)
        assert config in self.endpoint_configs
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}"
        self.states[name] = EndpointState(name, "Creating", config, created=self.world.now, arn=arn)
        self.tagged[arn] = dict(tags)
        self.orders.append(config)
        self.world.effect(f"create endpoint {name} {config}")

    def update(self, name: str, config: str, guard: BlueGreen | None = None, keep: bool = False) -> None:
        if self.endpoint(name).status != "InService":
            raise Conflict(name)
        assert config in self.endpoint_configs
        if config == self.endpoint(name).config:
            raise Refused(f"Cannot update endpoint {name} to the endpoint configuration that it already has")
        sizes = [self.endpoint_configs[one][2] for one in (self.states[name].config, config)]
        if isinstance(sizes[0], Instances) and isinstance(sizes[1], Serverless):
            raise Refused("Updating a real-time inference endpoint to a serverless endpoint is not supported")
        if guard is not None:
            alone = (len(self.variants[one]) == 1 for one in (self.states[name].config, config))
            assert all(alone), "a guarded update wants one variant"
            old, new = self.endpoint_configs[self.states[name].config], self.endpoint_configs[config]
            assert old[1] == new[1], "a guarded update wants one variant name"
            assert isinstance(old[2], Instances) and isinstance(new[2], Instances), "not for serverless"
            assert guard.longest_seconds <= LONGEST_UPDATE, "an update that SageMaker would refuse"
        self.guards[config], self.kept[config] = guard, keep
        self.states[name] = replace(self.states[name], status="Updating", pending_config=config, failure_reason="")
        self.orders.append(config)
        self.world.effect(f"update endpoint {name} {config}")

    def weigh(self, name: str, weights: Mapping[str, float]) -> None:
        state = self.endpoint(name)
        if state.status != "InService":
            raise Conflict(name)
        assert set(weights) <= set(self.variants[state.config]), "variants that are not there"
        self._weighed[name] = weights
        self.states[name] = replace(state, status="Updating", failure_reason="")
        self.world.effect(f"weigh {name}")

    def delete(self, name: str) -> None:
        del self.states[name]
        self.world.effect(f"delete endpoint {name}")

    def settle(self, name: str, failure: str = "") -> None:
        """SageMaker's doing: what was ordered is done, or failed and the old config serves on."""
        state = self.states[name]
        weighed = self._weighed.pop(name, None)
        if not failure:
            config = state.pending_config or state.config
            found = dict(weighed or {})
            for variant, spec in self.variants[config].items():
                stays = weighed is not None or self.kept.get(config, False)
                found.setdefault(variant, state.weights.get(variant, spec.weight) if stays else spec.weight)
            state = replace(state, status="InService", config=config, pending_config=None, weights=found)
        elif state.status == "Creating":
            state = replace(state, status="Failed", failure_reason=failure)
        else:
            state = replace(state, status="InService", pending_config=None, failure_reason=failure)
        self.states[name] = state
        self.world.say("endpoint", name)


class FakeMetrics:
    """``told``: by dimensions, the last distance and when it was measured."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.told: dict[frozenset[tuple[str, str]], tuple[float, datetime]] = {}

    def drifted(self, state: Mapping[str, bool], at: datetime) -> None:
        raise AssertionError("nobody asked for drift here")

    def shifted(self, dimensions: Mapping[str, str], distance: float, at: datetime) -> None:
        self.told[frozenset(dimensions.items())] = (distance, at)
        self.world.effect(f"measure {dict(dimensions)} {distance}")


class FakeAlarms:
    """``values`` are the states of alarms that are not OK, ``usual_ms`` what the champion took until now. Alarms on
    ``metrics`` are evaluated at their last value."""

    def __init__(self, world: World, metrics: FakeMetrics) -> None:
        self.world = world
        self.metrics = metrics
        self.specs: dict[str, AlarmSpec] = {}
        self.values: dict[str, str] = {}
        self.usual_ms: float | None = None

    def put(self, spec: AlarmSpec, tags: Mapping[str, str]) -> None:
        self.specs[spec.name] = spec
        self.world.effect(f"alarm {spec.name}")

    def states(self, names: Sequence[str]) -> list[AlarmState]:
        found = [name for name in names if name in self.specs]
        return [
            AlarmState(name, self.values.get(name, self._measured(self.specs[name])), "Threshold Crossed")
            for name in found
        ]

    def _measured(self, spec: AlarmSpec) -> str:
        value, at = self.metrics.told.get(frozenset(spec.dimensions.items()), (0.0, self.world.now))
        recent = self.world.now - at <= timedelta(minutes=spec.minutes)
        return "ALARM" if spec.namespace == "Sluicegate" and recent and value >= spec.threshold else "OK"

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            self.specs.pop(name, None)
        self.world.effect(f"delete alarms {', '.join(names)}")

    def latency_ms(self, endpoint: str, variant: str, until: datetime, span: timedelta) -> float | None:
        return self.usual_ms


class FakeCalls:
    """Calls of endpoints, by the time they were made."""

    def __init__(self) -> None:
        self.made: dict[str, list[datetime]] = {}

    def count(self, endpoint: str, variant: str, since: datetime, until: datetime) -> int:
        return sum(since <= at <= until for at in self.made.get(endpoint, []))


class FakeScaling:
    """``targets``: by endpoint and variant: fewest and most instances, requests a minute for each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.targets: dict[tuple[str, str], tuple[int, int, int]] = {}

    def keep(self, endpoint: str, variant: str, minimum: int, maximum: int, requests: int) -> None:
        self.targets[endpoint, variant] = (minimum, maximum, requests)
        self.world.effect(f"scale {endpoint} {variant}")

    def stop(self, endpoint: str, variant: str) -> None:
        self.targets.pop((endpoint, variant), None)
        self.world.effect(f"stop scaling {endpoint} {variant}")


class FakeBell:
    def __init__(self, world: World) -> None:
        self.world = world

    def ring(self, model: str, now: datetime) -> None:
        self.world.say("bell", model)
        self.world.effect(f"ring {model}")

    def ended(self, kind: str, job: str, status: str, now: datetime) -> None:
        self.world.say("transform" if kind == "batch" else kind, job)
        self.world.effect(f"tell {kind} {job} {status}")


class FakeWorkspace:
    memory_limit_mb = 512

    def __init__(self, free: int = 10_000_000_000) -> None:
        self.free = free

    @contextmanager
    def folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)

    def free_bytes(self) -> int:
        return self.free
