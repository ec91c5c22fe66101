"""Events of the application itself, on the account's default bus: a model's rollouts are to be looked at; a job that
nobody told of has ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.domain.errors import Transient
from sluicegate.ports import JobKind

SOURCE, KIND = "sluicegate", "Rollout Asked"
#: what SageMaker's events of a job's end are called, and what their detail says; the rules take both sources
#: https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
_ENDS: dict[JobKind, tuple[str, str]] = {
    "processing": ("SageMaker Processing Job State Change", "ProcessingJob"),
    "training": ("SageMaker Training Job State Change", "TrainingJob"),
    "tuning": ("SageMaker HyperParameter Tuning Job State Change", "HyperParameterTuningJob"),
    "transform": ("SageMaker Transform Job State Change", "TransformJob"),
    "batch": ("SageMaker Transform Job State Change", "TransformJob"),
}


class EventBridgeBell:
    """``ports.RolloutBell`` and ``ports.JobBell``; ``events`` is boto3's client. ``prefix`` tells the stacks of one
    account apart."""

    def __init__(self, events: Any, prefix: str) -> None:
        self._events, self._prefix = events, prefix

    def ring(self, model: str, now: datetime) -> None:
        self._put(KIND, {"prefix": self._prefix, "model": model}, now)

    def ended(self, kind: JobKind, job: str, status: str, now: datetime) -> None:
        called, member = _ENDS[kind]
        detail = {f"{member}Name": job, f"{member}Status": status}
        if kind == "transform":
            detail["ModelName"] = job  # a run's Model is called like its job; register_model's rule asks for it
        self._put(called, detail, now)

    def _put(self, kind: str, detail: Mapping[str, str], now: datetime) -> None:
        entry = {"Source": SOURCE, "DetailType": kind, "Detail": json.dumps(detail), "Time": now}
        with translated():
            answer = self._events.put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            raise Transient(f"EventBridge did not take the event: {answer['Entries'][0].get('ErrorMessage', '')}")
