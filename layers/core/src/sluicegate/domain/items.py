"""The registry's items, in the shapes that the HTTP API answers with (``docs/architecture.md``).

Plain JSON values only. Times are ISO 8601 in UTC (``stamp``), so text order is time order. Keys beyond the API's shapes
say how a thing is kept, not what it is; they are listed under "kept" and the API leaves them out (``public``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict

from sluicegate.domain.sleep_items import SavedItem, SleepItem, slumbers_on, waits_for_waking

#: a version's number is text of this length in its sort key, so text order is number order
VERSION_DIGITS = 6
#: how a model's message says that fewer new rows are there than ``min_new_rows``
MORE_ROWS = "Waits for more rows: "


class ErrorItem(TypedDict):
    title: str
    detail: str
    remedy: str


class HistoryLine(TypedDict):
    at: str
    status: str
    message: str


class SummaryItem(TypedDict, total=False):
    """One line a model. ``state``: waiting | working | live | failed."""

    model: str
    state: str
    live_version: int | None
    problem: str | None
    target: str | None
    updated_at: str
    message: str
    experiment: str | None  # the experiment that shares its traffic now
    active_run: str | None


class LiveItem(TypedDict):
    version: int
    since: str
    endpoint: str
    metrics: dict[str, Any]


class LaneItem(TypedDict):
    """One target of traffic. ``slot``: champion, challenger, challenger-2, …: the place that subjects are assigned to,
    whatever version is in it. ``weight``: relative, from 0."""

    slot: str
    version: int
    weight: float
    endpoint: str
    variant: str


class ShadowItem(LaneItem):
    """A lane that sees copies of requests; ``sample`` is the share of them, 0 to 1."""

    sample: float


class TrafficItem(TypedDict):
    """How requests are shared between versions, and why. ``cause``: the experiment's or rollout's id; ``salt`` goes
    into the assignment of subjects; ``revision`` counts the changes of one cause."""

    cause: str
    salt: str
    lanes: list[LaneItem]
    shadow: ShadowItem | None
    revision: int


class RolloutItem(TypedDict):
    """A version's way in by lanes of our own. ``stage``: bringing | shifting | switching | dropping, since ``since``;
    ``began``: when it got its first share.

    ``steps`` are the shares of the traffic, in percent, that it gets one after the other, ``step`` is the place in
    them; each is kept for ``bake`` seconds while ``alarms`` are watched.
    """

    id: str
    version: int
    stage: str
    since: str
    began: str
    steps: list[int]
    step: int
    bake: int
    strategy: str
    rollback_on: list[str]
    latency_ms: int | None
    alarms: list[str]


class ScaledItem(TypedDict):
    """A variant that autoscaling was asked for: from ``min`` to ``max`` instances at ``requests`` a minute each."""

    variant: str
    min: int
    max: int
    requests: int


class VerdictOfPerson(TypedDict):
    """What a person decided last about a version. ``approval``: Approved | Rejected, as SageMaker's registry says."""

    approval: str
    at: str
    who: str
    why: str


class CodeItem(TypedDict):
    """A script's files, packed: ``key`` is the archive's, ``files`` the names in it, ``digest`` of their contents."""

    digest: str
    key: str
    files: list[str]


class DriftItem(TypedDict):
    """The newest comparison of what a version predicts with what it learned. ``report`` is the S3 key of report.html;
    report.json is beside it. ``retrain``: in words, what of ``retrain.on: [drift]`` came of it."""

    version: int
    at: str
    since: str
    until: str
    rows: int
    compared: bool  # False: too few rows, or nothing to compare with
    drifted: bool
    reasons: list[str]
    report: str
    retrain: str | None


class ModelItem(SummaryItem, total=False):
    created_at: str
    schema: dict[str, Any] | None
    classes: list[str] | None
    live: LiveItem | None
    settings_problem: ErrorItem | None
    scheduled_for: str | None  # when retrain.schedule comes next
    code_problem: ErrorItem | None
    last_run: str | None
    endpoint: str
    drift: DriftItem | None  # the newest look; None before the first
    # kept
    columns: dict[str, Any] | None  # the schema of all uploads; "schema" is what a prediction needs
    revision: int  # counts the item's writes; a write names the revision that it was made from
    settings: str | None  # the text of the newest valid model.yaml
    settings_at: str  # when the newest model.yaml, valid or not, was written
    settings_sequencer: str | None  # S3's place of that write among all writes of its key
    settings_note: str | None  # what of the newest model.yaml doesn't count yet
    code: CodeItem | None  # the newest files under models/<model>/code/ that can be run
    waits: str | None  # why data that are there train nothing yet, in words: the script is missing or can't run
    code_seen: str  # changes with anything under code/
    code_writes: dict[str, str]  # by file: S3's place of its newest write
    retry: str | None  # the failed run that somebody asked to try again
    latest_cause: str | None  # the newest thing that asks for a run: an upload's id, or "settings:<digest>", "gone:…"
    asked: (
        str | None
    )  # what asks for a run whatever min_new_rows says: "settings:<digest>", "schedule:<time>", "drift:<time>"
    desired_version: int | None
    desired_at: str | None  # when the decision for desired_version was made
    deploying_version: int | None  # the endpoint was told to serve it
    previous_version: int | None  # served before live_version; kept for a way back
    challenging: int | None  # the version that the next experiment is for, when the one under way has ended
    challenging_at: str | None  # when that was decided
    traffic: TrafficItem | None  # None: all requests go to the live version
    rollout: RolloutItem | None  # a version that comes in by lanes of our own
    sleep: SleepItem | None  # None: the endpoint is not shut down
    saved: SavedItem | None
    awake_since: str | None  # when the endpoint was woken last
    scaled: list[ScaledItem] | None  # variants of the endpoint, the live version's first
    ordered_at: str | None  # when the endpoint was told to serve deploying_version
    settling: bool | None  # the registry moved, and what follows (routing, tidying up, looking again) is not done yet
    awaited: list[int] | None  # versions registered, of whose decision SageMaker's registry has not told yet
    telling: list[int] | None  # versions decided by a person, of which SageMaker's registry is not told yet


class WithdrawnItem(TypedDict):
    """When an upload's content was found to have left the bucket, and how (``reason``: deleted | replaced)."""

    at: str
    reason: str


class UploadItem(TypedDict, total=False):
    """``status``: received | accepted | rejected | ignored | withdrawn."""

    upload: str
    key: str
    status: str
    size: int
    received_at: str
    accepted_rows: int
    rejected_rows: int
    notes: list[str]
    report: str | None
    error: ErrorItem | None
    withdrawn: WithdrawnItem | None
    # kept
    model: str | None
    etag: str
    sequencer: str  # S3's place of the newest write of this content among all writes of its key
    history: list[HistoryLine]


class RunItem(TypedDict, total=False):
    run: str
    status: str
    dataset_version: str
    training_job: str | None
    transform_jobs: list[str]
    created_at: str
    updated_at: str
    history: list[HistoryLine]
    rows: dict[str, int] | None
    notes: list[str]  # what there is to tell of the data set: columns that came, went or are not used
    problem: str | None
    metric: str | None
    metrics: dict[str, Any] | None
    verdict: dict[str, Any] | None
    version: int | None
    report: str | None  # the S3 key of report.html; report.json is beside it
    error: ErrorItem | None
    window: dict[str, Any] | None  # retrain.window: days or rows, and what it left out: uploads_left_out, rows_left_out
    tuning: dict[str, Any] | None  # the search: job, objective, best, trials, … (services.launch, services.follow)
    cost: dict[str, Any] | None  # {currency, budget_usd, estimate, actual} (services.costs)
    # the processing job that prepares the data, if one does: job, instance, bytes (services.processing)
    preparation: dict[str, Any] | None
    # kept
    model: str
    claim: str | None  # the message or event whose delivery does the step now under way
    claimed_at: str | None
    attempt: int  # counts from 1
    champion: int | None  # the version that served when the data were prepared
    settings: str | None  # the model.yaml that this run follows
    uploads: list[str]
    since: str | None  # of a window of days by a column: rows before it lie outside
    skipped: dict[str, int] | None  # of an upload: how many of its first rows lie outside the window
    code: CodeItem | None  # what a script model trains


class LocalItem(TypedDict, total=False):
    """Whether functions can evaluate a version without its endpoint: ``key`` of its model, or ``absent``: why not."""

    key: str
    bytes: int
    absent: str


class ShiftItem(TypedDict):
    """How far a version's predictions are from its evaluation's since it has traffic (``prediction_shift.Shift``)."""

    at: str
    distance: float
    rows: int
    reason: str


class VersionItem(TypedDict, total=False):
    version: int
    status: str
    run: str
    dataset_version: str
    metrics: dict[str, Any]
    verdict: dict[str, Any] | None
    report: str | None  # as the run's
    model_package_arn: str
    history: list[HistoryLine]
    created_at: str
    live_since: str | None
    local: LocalItem | None
    # kept
    model: str
    reason: str
    threshold: float  # of anomaly detection: the score above which a record is anomalous
    released: bool  # its endpoint config and SageMaker Model are gone
    variant: str  # the production variant it serves under, where that isn't v<version>
    decision: VerdictOfPerson | None
    alarms: list[str]  # that watch it while it comes in
    attempt: str  # to bring it in, the last: names what is measured of it meanwhile
    stage_told: str | None  # what SageMaker said last of a guarded update
    prediction_shift: ShiftItem | None  # what was measured last


class BatchItem(TypedDict, total=False):
    """A file that is predicted as a whole. ``status``: received | preparing | predicting | finishing | done | failed.

    ``rows`` are the rows predicted; ``result`` and ``rejects`` are keys of the bucket once they are written.
    """

    batch: str
    key: str
    status: str
    size: int
    version: int | None
    received_at: str
    updated_at: str
    rows: int | None
    rejected_rows: int | None
    parts: int | None
    transform_job: str | None
    result: str | None
    rejects: str | None
    notes: list[str]
    error: ErrorItem | None
    history: list[HistoryLine]
    # kept
    model: str
    etag: str
    sequencer: str  # S3's place of this write among all writes of its key


KEPT: dict[str, frozenset[str]] = {
    "model": frozenset(
        {
            "columns",
            "revision",
            "settings",
            "settings_at",
            "settings_sequencer",
            "settings_note",
            "code",
            "code_seen",
            "waits",
            "code_writes",
            "retry",
            "latest_cause",
            "asked",
            "desired_version",
            "desired_at",
            "deploying_version",
            "previous_version",
            "challenging",
            "challenging_at",
            "traffic",
            "sleep",
            "awake_since",
            "rollout",
            "ordered_at",
            "scaled",
            "settling",
            "telling",
            "awaited",
            "moving",
        }
    ),
    "upload": frozenset({"model", "etag", "sequencer", "history"}),
    "run": frozenset(
        {"model", "claim", "claimed_at", "attempt", "champion", "settings", "uploads", "since", "skipped", "code"}
    ),
    "version": frozenset({"model", "reason", "released", "variant", "alarms", "attempt", "stage_told"}),
    "batch": frozenset({"model", "etag", "sequencer"}),
    "experiment": frozenset({"model", "looked_at", "information", "settled_at", "ordered_at"}),
}


def is_moving(item: Mapping[str, Any]) -> bool:
    """Whether a model (its item) is on the way somewhere: what was decided for it is not what is."""
    desired = item.get("desired_version")
    return bool(
        (desired is not None and desired != item.get("live_version") and not waits_for_waking(item, desired))
        or item.get("deploying_version") is not None
        or item.get("telling")
        or item.get("settling")
        or item.get("rollout") is not None
        or slumbers_on(item)
    )


def public(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """``item`` (of kind model, upload, run, version, batch or experiment) as the API shows it."""
    return {name: value for name, value in item.items() if name not in KEPT[kind]}


def stamp(moment: datetime) -> str:
    """An aware time as the registry writes it: UTC, milliseconds, ``Z``.

    >>> stamp(datetime(2026, 1, 2, 3, 4, 5, 678901, UTC))
    '2026-01-02T03:04:05.678Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """The time that ``stamp`` wrote, or that an AWS event carries (``…Z``)."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
