"""A run that failed for a reason of the world is tried again when somebody asks, and only then."""

from __future__ import annotations

import copy
from random import Random

import pytest

from sluicegate.domain.errors import Refused
from sluicegate.domain.names import run_id
from sluicegate.services.arrivals import newer
from tests.support.fakes import FakeWorkspace, World
from tests.support.flow import Flow, table

QUOTA = Refused("CreateTrainingJob: ResourceLimitExceeded: the limit for ml.m5.large is 0")
SETTINGS = b"training: {instance: ml.m5.xlarge}\n"


def refused(world: World | None = None, settings: bytes | None = None) -> Flow:
    """A model whose first run failed at a quota that has been raised since."""
    flow = Flow(world or World())
    flow.jobs.refuse = QUOTA
    if settings is not None:
        flow.put("models/churn/model.yaml", settings)
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    assert [run["status"] for run in flow.registry.runs("churn")] == ["failed"]
    flow.jobs.refuse = None
    return flow


def statuses(flow: Flow) -> list[str]:
    return [run["status"] for run in flow.registry.runs("churn")]


def ask(flow: Flow, how: str) -> None:
    if how == "file":
        flow.put("data/churn/a.csv", table(240))
    else:
        flow.put("models/churn/model.yaml", SETTINGS)


@pytest.mark.parametrize("how", ["file", "settings"])
@pytest.mark.parametrize("copies", [1, 2])
def test_saving_the_same_again_is_one_attempt_more(how: str, copies: int) -> None:
    flow = refused(settings=SETTINGS if how == "settings" else None)
    ask(flow, how)
    flow.play(copies)
    assert statuses(flow) == ["live", "failed"]
    newest, failed = flow.registry.runs("churn")
    assert newest["dataset_version"] == failed["dataset_version"]
    assert newest["run"] != failed["run"]
    assert newest["history"][0]["message"].endswith("attempt 2")
    assert "save model.yaml or upload a file again" in failed["error"]["remedy"]
    assert flow.registry.model("churn")["live_version"] == 1


@pytest.mark.parametrize("how", ["file", "settings"])
def test_an_attempt_that_fails_too_is_not_repeated_by_events_that_come_again(how: str) -> None:
    flow = refused(settings=SETTINGS)
    flow.jobs.refuse = QUOTA
    ask(flow, how)
    asked = flow.pending[-1]
    flow.play()
    assert statuses(flow) == ["failed", "failed"]
    flow.jobs.refuse = None
    flow.attempt(*asked)
    for identity, body, _ in list(flow.world.messages):
        flow.attempt("message", identity, body)
    flow.play(2)
    assert statuses(flow) == ["failed", "failed"]
    ask(flow, how)
    flow.play()
    assert statuses(flow) == ["live", "failed", "failed"]


def test_the_first_event_delivered_again_after_the_failure_asks_for_nothing() -> None:
    flow = Flow()
    flow.jobs.refuse = QUOTA
    flow.put("data/churn/a.csv", table(240))
    first = flow.pending[-1]
    flow.play()
    flow.jobs.refuse = None
    flow.attempt(*first)
    flow.play()
    assert statuses(flow) == ["failed"]
    model = flow.registry.model("churn")
    assert model["state"] == "failed"
    assert "the limit for ml.m5.large is 0" in model["message"]


def test_a_file_saved_twice_before_the_failure_does_not_count_after_it() -> None:
    flow = Flow()
    flow.jobs.refuse = QUOTA
    flow.put("data/churn/a.csv", table(240))
    flow.put("data/churn/a.csv", table(240))
    second = flow.pending[-1]
    flow.play()
    flow.jobs.refuse = None
    flow.attempt(*second)
    flow.play()
    assert statuses(flow) == ["failed"]


def test_min_new_rows_do_not_hold_up_an_attempt_that_was_asked_for() -> None:
    flow = refused(settings=b"retrain: {min_new_rows: 200}\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    assert statuses(flow) == ["live", "failed"]


def test_a_run_that_did_not_fail_is_not_tried_again() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", SETTINGS)
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    before = len(flow.world.messages)
    for how in ("file", "settings"):
        ask(flow, how)
        flow.play()
    assert len(flow.world.messages) > before
    assert statuses(flow) == ["live"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("how", ["file", "settings"])
def test_crashes_repeats_and_any_order_make_no_second_attempt(how: str, seed: int) -> None:
    random = Random(seed)
    flow = refused(settings=SETTINGS)
    ask(flow, how)
    flow.world.crash_after = len(flow.world.effects) + random.randint(1, 25)
    flow.play(2, random)
    assert statuses(flow) == ["live", "failed"]
    assert len(flow.jobs.training) == len(flow.packages.packages) == 1


def test_a_file_that_was_refused_is_read_when_it_is_put_there_again() -> None:
    flow = Flow()
    flow.workspace = FakeWorkspace(free=1000)
    flow.put("data/churn/a.csv", table(240))
    first = flow.pending[-1]
    flow.play()
    assert flow.registry.uploads("churn")[0]["error"]["title"] == "File too large"
    flow.workspace = FakeWorkspace()
    flow.attempt(*first)  # the same event is the same failure
    assert flow.registry.uploads("churn")[0]["status"] == "rejected"
    flow.put("data/churn/a.csv", table(240))
    flow.play(2)
    (upload,) = flow.registry.uploads("churn")
    assert upload["status"] == "accepted"
    assert "error" not in upload
    assert flow.registry.model("churn")["live_version"] == 1


def test_an_older_model_yaml_that_comes_late_changes_nothing() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"target: won\n")
    late = flow.pending.pop()
    flow.put("models/churn/model.yaml", b"target: color\n")
    flow.play()
    flow.storage.objects["models/churn/model.yaml"] = b"target: won\n"  # as it was when its event was sent
    flow.attempt(*late)
    assert flow.registry.model("churn")["settings"] == "target: color\n"


@pytest.mark.parametrize(
    ("sequencer", "other", "later"),
    [
        ("00A1", "00A0", True),
        ("00A0", "00A0", False),
        ("00a1", "00A0", True),
        ("00A", "00A0", False),
        ("00A01", "00A", True),
        ("0B", "00A0", True),
        ("00A0", "", True),
        ("", "", False),
        ("", "00A0", False),
    ],
)
def test_the_order_of_writes(sequencer: str, other: str, later: bool) -> None:
    assert newer(sequencer, other) is later


def test_the_attempt_is_part_of_the_runs_name() -> None:
    names = [run_id("s3://a/", "d", "t", attempt) for attempt in (1, 2, 3)]
    assert len(set(names)) == 3
    assert names[0] == run_id("s3://a/", "d", "t") != run_id("s3://b/", "d", "t")


def test_a_message_that_looked_before_a_whole_run_begins_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it read of the model is older than the run that another message began and brought to its end."""
    flow = Flow(World())
    flow.put("data/churn/a.csv", table(240))
    kind, identity, about = flow.pending.pop()
    flow.deliver(kind, identity, about)
    seen = copy.deepcopy(flow.registry.model("churn"))
    flow.collect()
    flow.play()
    assert statuses(flow) == ["live"] and seen.get("last_run") is None
    reads, read = iter([seen]), flow.registry.model
    monkeypatch.setattr(flow.registry, "model", lambda model: next(reads, None) or read(model))
    late = {"model": "churn", "cause": seen["latest_cause"]}
    assert flow.deliver("message", "late", late) == "nothing"
    assert statuses(flow) == ["live"]
