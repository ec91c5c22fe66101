"""Every name that the application gives, derived from its cause, so that doing a thing twice is doing it once.

SageMaker's names have at most 63 characters of ``[a-zA-Z0-9-]``. The parts below always fit:
prefix (10) + model (40) + run (8) and a two-character suffix, joined by hyphens, are 62; a batch (9) makes it 63.

A tuning job's name has at most 32, so the model's name is cut in it; SageMaker calls its training jobs after it. After
the prefix stands a capital T, where a model's name has a small letter: none of them can be taken for a training job of
a run, whatever models there are.

>>> training_job("sluicegate", "churn", "1f2e3d4c")
'sluicegate-churn-1f2e3d4c'
>>> owner("sluicegate", "sluicegate-churn-1f2e3d4c")
JobName(model='churn', run='1f2e3d4c', role='challenger')
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

#: the application's own metrics in CloudWatch: their namespace, and the one that an alarm of a version looks at
METRICS, PREDICTION_SHIFT = "Sluicegate", "PredictionShift"

MODEL = re.compile(r"[a-z][a-z0-9-]{0,39}")
RUN_LENGTH = 8
_JOB = re.compile(r"([a-z][a-z0-9-]{0,39}?)-([0-9a-f]{8})(-c)?")
#: what SageMaker makes of a tuning job's name for its training jobs
_TRIAL = re.compile(r"(?P<tuning>.+)-[0-9]{3,}-[0-9a-f]{8}")
_TUNING = re.compile(r"T(?P<run>[0-9a-f]{8})(-[a-z0-9-]+)?")
_LONGEST_TUNING_JOB = 32

_PREPARATION = re.compile(r"([a-z][a-z0-9-]{0,39}?)-([0-9a-f]{8})-p")
_BATCH = re.compile(r"([a-z][a-z0-9-]{0,39}?)-([0-9a-f]{9})-b")
_BATCH_LENGTH = 9
_LANE = re.compile(r"-V[1-9][0-9]{0,5}\Z")

Role = Literal["challenger", "champion"]


class JobName(NamedTuple):
    model: str
    run: str
    role: Role


class PreparationName(NamedTuple):
    model: str
    run: str


class BatchName(NamedTuple):
    model: str
    batch: str


def is_model(name: str) -> bool:
    """Whether ``name`` may be a model: ``[a-z][a-z0-9-]{0,39}``, not ending in a hyphen (SageMaker forbids it)."""
    return bool(MODEL.fullmatch(name)) and not name.endswith("-")


def digest(parts: Iterable[str], length: int = 64) -> str:
    """SHA-256 (hex, cut to ``length``) of length-prefixed parts: no two different lists share an input.

    >>> digest(["ab", "c"], 8) != digest(["a", "bc"], 8)
    True
    """
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode()
        hasher.update(f"{len(data)}:".encode())
        hasher.update(data)
    return hasher.hexdigest()[:length]


def upload_id(key: str, etag: str) -> str:
    """An upload is one content under one key: a repeated event, or PUT of the same bytes, is the same upload."""
    return digest(["upload", key, etag.strip('"')], 12)


def feedback_upload(model: str, day: str, identity: str) -> str:
    """The key of labels that became training data.

    >>> feedback_upload("churn", "2026-01-02", "0123456789ab")
    'data/churn/feedback/dt=2026-01-02/0123456789ab.jsonl'
    """
    return f"data/{model}/feedback/dt={day}/{identity}.jsonl"


def is_feedback(model: str, key: str) -> bool:
    """Whether an upload's key is one of `feedback_upload`."""
    return key.startswith(f"data/{model}/feedback/")


def dataset_version(uploads: Iterable[str], preparation: str) -> str:
    """The data and the way it is prepared; the order of arrival doesn't matter."""
    return digest(["dataset", preparation, *sorted(uploads)], 12)


def run_id(place: str, dataset: str, training: str, attempt: int = 1) -> str:
    """One dataset version trained one way; ``attempt`` counts from 1, each after one that failed.

    ``place`` is where the data are. SageMaker keeps its training jobs for ever: a stack that is made again, with a
    bucket of its own, must not take the jobs of the one before for its own.
    """
    return digest(["run", place, dataset, training, str(attempt)], RUN_LENGTH)


def training_job(prefix: str, model: str, run: str) -> str:
    """Also the name of the run's SageMaker Model and of its transform job over the holdout, whatever job trained it."""
    return f"{prefix}-{model}-{run}"


def artifact(model: str, job: str) -> str:
    """The key of what a training job made, a run's own or the best of its tuning job."""
    return f"artifacts/{model}/{job}/output/model.tar.gz"


def local_model(model: str, job: str) -> str:
    """The key of the same in the form that functions evaluate (``domain.local_models``)."""
    return f"artifacts/{model}/{job}/local.json"


def tuning_job(prefix: str, model: str, run: str) -> str:
    """
    >>> tuning_job("sluicegate", "churn", "1f2e3d4c"), tuning_job("sluicegate", "churn-of-customers", "1f2e3d4c")
    ('sluicegate-T1f2e3d4c-churn', 'sluicegate-T1f2e3d4c-churn-of-cu')
    """
    return f"{prefix}-T{run}-{model}"[:_LONGEST_TUNING_JOB].rstrip("-")


def tuning_run(prefix: str, name: str) -> str | None:
    """The run that a tuning job's name was made for, or None if it isn't ours. The model is not to be had from it."""
    rest = name.removeprefix(prefix + "-")
    match = _TUNING.fullmatch(rest) if rest != name else None
    return match["run"] if match else None


def tuning_of_trial(prefix: str, job: str) -> str | None:
    """The tuning job that a training job belongs to, or None if it is no trial of ours.

    >>> tuning_of_trial("sluicegate", "sluicegate-T1f2e3d4c-churn-007-0a1b2c3d")
    'sluicegate-T1f2e3d4c-churn'
    >>> tuning_of_trial("sluicegate", "sluicegate-churn-007-0a1b2c3d") is None
    True
    """
    match = _TRIAL.fullmatch(job)
    return match["tuning"] if match and tuning_run(prefix, match["tuning"]) else None


def preparation_job(prefix: str, model: str, run: str) -> str:
    """The processing job that prepares a run's data set, where they are too many for a function."""
    return f"{prefix}-{model}-{run}-p"


def preparation_owner(prefix: str, name: str) -> PreparationName | None:
    """The model and run that a processing job was made for, or None if it isn't ours.

    >>> preparation_owner("sluicegate", preparation_job("sluicegate", "churn", "1f2e3d4c"))
    PreparationName(model='churn', run='1f2e3d4c')
    >>> preparation_owner("sluicegate", "sluicegate-churn-1f2e3d4c") is None
    True
    """
    match = _PREPARATION.fullmatch(name.removeprefix(prefix + "-")) if name.startswith(prefix + "-") else None
    return PreparationName(match[1], match[2]) if match else None


def champion_transform(prefix: str, model: str, run: str) -> str:
    """The transform job in which the champion predicts the run's holdout."""
    return f"{prefix}-{model}-{run}-c"


def batch_id(bucket: str, key: str, etag: str, sequencer: str) -> str:
    """A batch is one write of one file: a repeated event is the same batch, the same content put again is another."""
    return digest(["batch", bucket, key, etag.strip('"'), sequencer], _BATCH_LENGTH)


def batch_transform(prefix: str, model: str, batch: str) -> str:
    """The transform job of a batch. Its end tells it from those of runs, also in the rules of EventBridge."""
    return f"{prefix}-{model}-{batch}-b"


def package_group(prefix: str, model: str) -> str:
    return f"{prefix}-{model}"


def endpoint(prefix: str, model: str) -> str:
    return f"{prefix}-{model}"


def endpoint_config(prefix: str, model: str, version: int) -> str:
    return f"{prefix}-{model}-v{version}"


def config_version(prefix: str, model: str, config: str | None) -> int | None:
    """The version that an endpoint config of ours is for.

    >>> config_version("sluicegate", "churn", endpoint_config("sluicegate", "churn", 12))
    12
    >>> config_version("sluicegate", "churn", "somebody-elses-v12") is None
    True
    """
    match = re.fullmatch(rf"{re.escape(endpoint(prefix, model))}-v([1-9][0-9]*)", config or "")
    return int(match[1]) if match else None


def lane_endpoint(prefix: str, model: str, version: int) -> str:
    """The endpoint of a further lane, where lanes can't be variants of one endpoint. The capital V keeps it apart from
    the endpoints of models.

    >>> lane_endpoint("sluicegate", "churn", 3)
    'sluicegate-churn-V3'
    """
    return f"{endpoint(prefix, model)}-V{version}"


def lane_config(prefix: str, model: str, cause: str) -> str:
    """The endpoint config that has the lanes of an experiment (8 hex) as variants of one endpoint."""
    return f"{endpoint(prefix, model)}-X{cause}"


def config_cause(prefix: str, model: str, config: str | None) -> str | None:
    """The experiment whose lanes an endpoint config of ours has as its variants.

    >>> config_cause("sluicegate", "churn", lane_config("sluicegate", "churn", "1f2e3d4c"))
    '1f2e3d4c'
    >>> config_cause("sluicegate", "churn", endpoint_config("sluicegate", "churn", 12)) is None
    True
    """
    match = re.fullmatch(rf"{re.escape(endpoint(prefix, model))}-X([0-9a-f]{{8}})", config or "")
    return match[1] if match else None


def lane_variant(version: int) -> str:
    """A further lane's variant on the model's own endpoint. Not the one that the version would serve under alone: that
    may be the champion's, which it adopts where both read alike, and then two variants of one config had one name."""
    return f"lane-{version}"


def variant(version: int) -> str:
    """A version serves under a variant of its own, so a request encoded for one version can't be scored by another."""
    return f"v{version}"


def owner(prefix: str, name: str) -> JobName | None:
    """The model and run that a job name was made for, or None if the job isn't ours."""
    if not name.startswith(prefix + "-"):
        return None
    match = _JOB.fullmatch(name[len(prefix) + 1 :])
    if match is None:
        return None
    return JobName(match[1], match[2], "champion" if match[3] else "challenger")


def batch_owner(prefix: str, name: str) -> BatchName | None:
    """The model and batch that a transform job was made for, or None if it isn't a batch's.

    >>> batch_owner("sluicegate", batch_transform("sluicegate", "churn", "0123456ab"))
    BatchName(model='churn', batch='0123456ab')
    >>> batch_owner("sluicegate", "sluicegate-churn-1f2e3d4c-c") is None
    True
    """
    match = _BATCH.fullmatch(name.removeprefix(prefix + "-")) if name.startswith(prefix + "-") else None
    return BatchName(match[1], match[2]) if match else None


def attempt(model: str, version: int, decided_at: str) -> str:
    """One try to bring a version in: the same for whoever takes up the decision, another for the next decision."""
    return digest(["rollout", model, str(version), decided_at], 8)


def alarm_model(prefix: str, alarm: str) -> str | None:
    """The model whose version an alarm of ours watches while it comes in, or None.

    >>> alarm_model("sluicegate", "sluicegate-churn-v3-predictions")
    'churn'
    >>> alarm_model("sluicegate", "sluicegate-PredictErrors") is None
    True
    """
    match = re.fullmatch(rf"{re.escape(prefix)}-(.+)-v[1-9][0-9]*-(errors|latency|predictions)", alarm)
    return match[1] if match and is_model(match[1]) else None


def group_model(prefix: str, name: str) -> str | None:
    """The model that a package group belongs to, or None."""
    rest = name.removeprefix(prefix + "-")
    return rest if rest != name and is_model(rest) else None


def endpoint_model(prefix: str, name: str) -> str | None:
    """The model that an endpoint belongs to, its own or one of a further lane, or None.

    >>> endpoint_model("sluicegate", "sluicegate-churn-V3"), endpoint_model("sluicegate", "sluicegate-churn")
    ('churn', 'churn')
    """
    return group_model(prefix, _LANE.sub("", name))
