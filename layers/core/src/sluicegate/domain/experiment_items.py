"""An experiment's item in the registry (``domain.items``)."""

from __future__ import annotations

from typing import Any, TypedDict

from sluicegate.domain.items import ErrorItem, HistoryLine


class ContenderItem(TypedDict):
    """A version in an experiment. ``slot``: champion | challenger | challenger-2 …"""

    slot: str
    version: int


class VerdictItem(TypedDict, total=False):
    """What was decided, when and by whom. ``kind``: promote | keep | stop | inconclusive | invalid | failed."""

    kind: str
    slot: str | None
    version: int | None
    reason: str
    by: str  # "experiment", or who asked
    at: str


class ExperimentItem(TypedDict, total=False):
    """``status``: starting | running | waits_for_decision | deciding | promoted | kept | stopped | inconclusive |
    failed. ``mode``: ab | bandit | shadow. ``design`` never changes (``domain.experiment.Design``)."""

    experiment: str
    status: str
    mode: str
    decides: str  # automatic | manual
    look_every: int  # seconds
    lanes: list[ContenderItem]  # the champion first
    lanes_as: str  # variants of the model's endpoint | endpoints of their own; absent until the first is ordered
    weights: dict[str, float]  # each slot's share of the traffic as it was last set
    design: dict[str, Any]
    asked: dict[str, str]  # {who, why}
    created_at: str
    started_at: str | None  # when the traffic was shared
    ended_at: str | None
    updated_at: str
    looks: int
    look: dict[str, Any] | None  # the newest look in full (``domain.experiment.Look``)
    course: list[dict[str, Any]]  # looks in short, thinned with time
    proposal: VerdictItem | None  # what the numbers say, while a person has to decide
    decision: VerdictItem | None
    error: ErrorItem | None
    history: list[HistoryLine]
    # kept
    model: str
    looked_at: str | None
    information: list[float]  # of the looks that tested
    settled_at: str | None  # since when nobody is sent to the lanes that go
    ordered_at: str | None  # when SageMaker was told to bring up the lanes as variants
