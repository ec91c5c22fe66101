"""What the services ask of the world (of endpoints: ``ports_serving``). ``adapters/`` answers with AWS, the tests with
memory.

Every method raises only the errors of ``domain/errors.py``: ``NotFound``, ``AlreadyExists``, ``Conflict`` (lost a
conditional write, or the resource is busy), ``Refused``, ``Transient``; anything else is a mistake in the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from sluicegate.domain.experiment.tally import Tally
from sluicegate.domain.experiment_items import ExperimentItem
from sluicegate.domain.items import BatchItem, ModelItem, RunItem, SummaryItem, UploadItem, VersionItem

Kind = Literal["model", "upload", "run", "version", "batch", "experiment"]


@dataclass(frozen=True)
class Change:
    """A conditional change of one registry item.

    ``name`` is an id (of an upload, run, batch or experiment), a version's number, or "" for the model. ``set`` are
    attributes to write (None removes). The write takes place only if each attribute in ``expect`` has that value now
    (None: it is absent), and the status now is one of ``status_in`` (with None among them: the item may be absent).
    With ``status`` the item moves there and the line (``at``, ``status``, ``message``) is appended to its history
    in the same write; ``passing`` are the statuses walked through on the way, each with a line of its own.
    """

    kind: Kind
    model: str | None  # None: an upload outside any model
    name: str | int
    set: Mapping[str, Any] = field(default_factory=dict)
    status: str | None = None
    message: str = ""
    at: str = ""
    passing: Sequence[str] = ()
    status_in: Sequence[str | None] | None = None
    expect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Awaited:
    """A batch whose transform job is waited for."""

    model: str
    batch: str


class RegistryReader(Protocol):
    """Lists are complete and newest first (models: by name). Single items raise ``NotFound``."""

    def models(self) -> list[SummaryItem]: ...
    def model(self, model: str) -> ModelItem: ...
    def uploads(self, model: str) -> list[UploadItem]: ...
    def upload(self, model: str | None, upload: str) -> UploadItem: ...
    def unplaced(self) -> list[UploadItem]: ...
    def runs(self, model: str) -> list[RunItem]: ...
    def run(self, model: str, run: str) -> RunItem: ...
    def versions(self, model: str) -> list[VersionItem]: ...
    def version(self, model: str, version: int) -> VersionItem: ...
    def batches(self, model: str) -> list[BatchItem]: ...
    def batch(self, model: str, batch: str) -> BatchItem: ...
    def experiments(self, model: str) -> list[ExperimentItem]: ...
    def experiment(self, model: str, experiment: str) -> ExperimentItem: ...


class Registry(RegistryReader, Protocol):
    def predicting(self) -> list[Awaited]: ...  # of all models

    def commit(self, changes: Sequence[Change]) -> None:
        """All of them or none. ``Conflict`` when one condition does not hold. A change of a model also keeps its
        line in the list of models: its ``set`` must then carry all that the line shows (``items.SummaryItem``)."""


@dataclass(frozen=True)
class StoredObject:
    key: str
    size: int
    etag: str  # without quotes


class Storage(Protocol):
    """The data bucket. Large content goes from and to disk, never through memory."""

    @property
    def bucket(self) -> str: ...
    def uri(self, key: str) -> str: ...  # s3://bucket/key
    def head(self, key: str) -> StoredObject: ...
    def list(self, prefix: str) -> Iterator[StoredObject]: ...
    def download(self, key: str, target: Path, etag: str | None = None) -> None: ...  # NotFound: gone, or other content
    def upload(self, source: Path, key: str) -> None: ...
    def read(self, key: str, limit: int) -> bytes: ...  # at most limit + 1 bytes
    def write(self, key: str, content: bytes, content_type: str) -> None: ...


@dataclass(frozen=True)
class Place:
    """Whose numbers: a lane's within a scope (an experiment's id), of the exposures of one hour (``2026-01-02T03``,
    UTC)."""

    scope: str
    lane: str
    hour: str


@dataclass(frozen=True)
class Fact:
    """Something that counts once: ``once`` names it among the model's facts, ``said`` is what it said, in short."""

    once: str
    adds: Mapping[Place, Tally]
    said: str = ""


#: counted now; counted before, saying the same; counted before, saying something else
Counted = Literal["counted", "repeated", "contradicted"]


class Tallies(Protocol):
    """Sums that each fact enters once, however often it is told."""

    def add(self, model: str, facts: Sequence[Fact], at: datetime) -> list[Counted]:
        """What became of each fact. A part of them may have been counted when it raises ``Transient`` (or crashes);
        telling all of them again completes it. ``at`` starts the time for which facts and sums are remembered."""

    def read(self, model: str, scope: str) -> dict[str, dict[str, Tally]]: ...  # lane → hour → its sums


class Reports(Protocol):
    """The part of the bucket that holds reports, for those who only read them."""

    def read(self, key: str, limit: int) -> bytes: ...  # at most limit + 1 bytes
    def link(self, key: str, seconds: int) -> str: ...  # an address that is open for so long


class Metrics(Protocol):
    """The application's own metrics in CloudWatch."""

    def drifted(self, state: Mapping[str, bool], at: datetime) -> None: ...  # by model, and how many in all
    def shifted(self, dimensions: Mapping[str, str], distance: float, at: datetime) -> None: ...  # of predictions


class TrainingQueue(Protocol):
    def send(self, message: Mapping[str, Any], delay_seconds: int) -> None: ...


@dataclass(frozen=True)
class Job:
    """A training, transform or processing job as SageMaker describes it now."""

    name: str
    status: str  # InProgress | Completed | Failed | Stopping | Stopped
    failure_reason: str = ""
    seconds: float | None = None  # what is billed for each instance, once it is over

    @property
    def over(self) -> bool:
        return self.status in ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class TrainingSpec:
    name: str
    image: str
    hyperparameters: Mapping[str, str]
    train_uri: str
    validation_uri: str | None
    output_uri: str  # the artifact is <output_uri>/<name>/output/model.tar.gz
    instance_type: str
    instance_count: int
    volume_gb: int
    max_runtime_seconds: int
    spot: bool
    tags: Mapping[str, str]
    channels: tuple[str, str] = ("train", "validation")
    content_types: tuple[str, str] = ("text/csv", "text/csv")
    distributions: tuple[str, str] = ("FullyReplicated", "FullyReplicated")
    longest_spot: int | None = None  # seconds that a spot job may run and wait
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TuningSpec:
    """``trial`` is what every training job has in common (its name is not used; its hyperparameters are static)."""

    name: str
    trial: TrainingSpec
    strategy: str
    metric: str
    direction: str  # Maximize | Minimize
    jobs: int
    parallel: int
    ranges: Mapping[str, Sequence[Mapping[str, Any]]]  # SageMaker's ParameterRanges
    early_stopping: bool
    seed: int
    resources: tuple[int, int] | None = None  # Hyperband's smallest and largest number of rounds
    parent: str | None = None
    identical: bool = False  # the parent had the same data and algorithm
    definitions: Mapping[str, str] = field(default_factory=dict)  # metric → expression, of what SageMaker doesn't know


@dataclass(frozen=True)
class TuningJob:
    """A tuning job as SageMaker describes it now."""

    name: str
    status: str  # InProgress | Completed | Failed | Stopping | Stopped
    failure_reason: str
    output_uri: str  # where the trials' artifacts go
    best: str | None  # the training job that completed with the best objective

    @property
    def over(self) -> bool:
        return self.status in ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class Trial:
    """One training job of a tuning job. ``value`` is its objective, once it is over."""

    name: str
    status: str
    hyperparameters: Mapping[str, str]  # those that are tuned
    value: float | None = None
    started_at: datetime | None = None

    @property
    def over(self) -> bool:
        return self.status in ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class TransformSpec:
    name: str
    model_name: str
    input_uri: str
    output_uri: str
    instance_type: str
    tags: Mapping[str, str]
    content_type: str = "text/csv"
    accept: str = "text/csv"
    split_type: str | None = "Line"  # Line | RecordIO; None: a file is one request
    assemble_with: str | None = "Line"
    max_payload_mb: int = 6


class Jobs(Protocol):
    """Training, SageMaker Models, batch transform. Creating a name that is taken raises ``AlreadyExists``."""

    def create_training_job(self, spec: TrainingSpec) -> None: ...
    def training_job(self, name: str) -> Job: ...
    def create_tuning_job(self, spec: TuningSpec) -> None: ...
    def tuning_job(self, name: str) -> TuningJob: ...
    def trials(self, tuning_job: str) -> list[Trial]: ...  # in the order of their names
    def stop_tuning_job(self, name: str) -> None: ...  # one that is over stays as it is
    def create_model(
        self,
        name: str,
        image: str,
        artifact_uri: str,
        tags: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
    ) -> None: ...
    def delete_model(self, name: str) -> None: ...
    def create_transform_job(self, spec: TransformSpec) -> None: ...
    def transform_job(self, name: str) -> Job: ...


@dataclass(frozen=True)
class ProcessingSpec:
    """``inputs``, ``manifests`` (lists of objects): name → S3 URI and path in the container; ``outputs``: name → path
    and S3 URI. Without a network: what it needs is there before it begins, what it made is uploaded at its end."""

    name: str
    image: str
    command: Sequence[str]
    arguments: Sequence[str]
    inputs: Mapping[str, tuple[str, str]]
    manifests: Mapping[str, tuple[str, str]]
    outputs: Mapping[str, tuple[str, str]]
    instance_type: str
    volume_gb: int
    max_runtime_seconds: int
    tags: Mapping[str, str]


class ProcessingJobs(Protocol):
    def create_processing_job(self, spec: ProcessingSpec) -> None: ...  # AlreadyExists
    def processing_job(self, name: str) -> Job: ...


class Program(Protocol):
    """This package, with what it needs, as one file that the Python of another machine can run."""

    def write(self, target: Path) -> str: ...  # a digest of its content


class Prices(Protocol):
    """AWS's price list, for training, evaluation or processing (``what``). ``usd_per_hour`` raises ``NotFound`` for
    what it doesn't have, ``Refused`` or ``Transient`` when it can't be asked."""

    def usd_per_hour(self, region: str, instance: str, what: str) -> float: ...


@dataclass(frozen=True)
class PackageSpec:
    group: str
    token: str
    description: str
    image: str
    artifact_uri: str
    instance_type: str
    metadata: Mapping[str, str]
    report_uri: str
    content_type: str = "text/csv"  # of a request's rows
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Package:
    arn: str
    group: str
    version: int
    approval: str
    decided_at: datetime  # when it last changed
    metadata: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""  # as whoever decided wrote it; what an earlier decision said, if they wrote nothing


class Packages(Protocol):
    """The model registry. A package is made pending and decided in a second step, so that what the decision wakes
    finds the version recorded."""

    def create_group(self, group: str, description: str, tags: Mapping[str, str]) -> None: ...  # AlreadyExists
    def find(self, group: str, description: str, since: datetime) -> Package | None: ...
    def create(self, spec: PackageSpec) -> Package: ...  # pending until it is decided
    def decide(self, arn: str, approval: str, reason: str) -> None: ...  # Approved | PendingManualApproval | Rejected
    def package(self, arn: str) -> Package: ...


class RolloutBell(Protocol):
    """Wakes whoever brings a model to what was decided for it. A ring that is lost delays that by a minute."""

    def ring(self, model: str, now: datetime) -> None: ...


#: of a run, and the transform job of a batch
JobKind = Literal["processing", "training", "tuning", "transform", "batch"]


class JobBell(Protocol):
    """Tells again that a job has ended (``status``), as SageMaker tells it."""

    def ended(self, kind: JobKind, job: str, status: str, now: datetime) -> None: ...


class Workspace(Protocol):
    """A folder on disk for one piece of work, empty at the start and gone at the end."""

    def folder(self) -> AbstractContextManager[Path]: ...
    def free_bytes(self) -> int: ...
    @property
    def memory_limit_mb(self) -> int: ...
