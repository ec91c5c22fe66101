"""What `sluice watch` tells, moment by moment."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.story import Snapshot, Story, describe_upload, following_run, metric_of, percent_done

T0, T1, T2, T3 = (f"2026-03-01T10:00:{second:02d}.000Z" for second in (0, 10, 20, 30))
ERROR = {"title": "One class only", "detail": "churned is always no", "remedy": "Add rows with another value."}


def upload(status: str = "accepted", at: str = T1, **more: Any) -> dict[str, Any]:
    base = {"upload": "u" + at, "key": "data/m/a.csv", "status": status, "received_at": at}
    return base | {"accepted_rows": 1995, "rejected_rows": 0} | more


def run(status: str, at: str = T2, steps: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    history = [{"at": at, "status": step, "message": ""} for step in steps or (status,)]
    return {"run": "r" + at, "status": status, "created_at": at, "history": history} | more


def texts(story: Story, now: Snapshot) -> list[str]:
    return [line.text for line in story.observe(now)]


MEASURED: dict[str, Any] = {
    "metric": "auc",
    "metrics": {"auc": {"value": 0.9134, "low": 0.889, "high": 0.9341}},
    "version": 2,
    "verdict": {"accepted": True, "reason": "Not worse than version 1."},
}


@pytest.mark.parametrize(("live", "code"), [(1, 0), (None, 3)])
def test_rows_that_are_too_few_for_a_run_end_it(live: int | None, code: int) -> None:
    said = "version 1 is live; waits for more rows: 60 new ones are there, 100 start a run"
    old = {"model": "m", "state": "live", "live_version": live, "message": said, "updated_at": T1}
    story = Story("m")
    texts(story, Snapshot(old, [upload(received_at=T3)], [run("live", at=T2)]))
    assert story.outcome is None  # said before the file came
    assert texts(story, Snapshot(old | {"updated_at": T3}, [upload(received_at=T3)], [run("live", at=T2)])) == [said]
    assert story.outcome is not None and (story.outcome.exit_code, story.outcome.version) == (code, live)


def test_from_the_file_to_the_endpoint() -> None:
    story = Story("m")
    detail = {"model": "m", "state": "working", "active_run": "r" + T2}
    assert texts(story, Snapshot(None)) == []
    assert story.status == "waiting for a file under data/m/"
    assert texts(story, Snapshot({}, [upload("received")])) == ["upload received: data/m/a.csv"]
    lines = texts(story, Snapshot(detail, [upload(rejected_rows=5, report="data-rejects/m/u/report.json")]))
    assert lines == [
        "upload accepted: data/m/a.csv, 1,995 rows; 5 bad rows set aside (why: data-rejects/m/u/report.json)"
    ]
    assert story.status.startswith("waiting for the run")
    training = run(
        "training",
        steps=("preparing", "training"),
        training_job="p-m-1",
        rows={"train": 1400, "holdout": 300},
        notes=["id is not used: it differs in nearly every row."],
    )
    lines = texts(story, Snapshot(detail, [upload()], [training], percent=40))
    assert lines == [
        "preparing the data set",
        "data set ready: 1,400 train, 300 holdout rows",
        "id is not used: it differs in nearly every row.",
        "training p-m-1",
        "training 40 %",
    ]
    assert texts(story, Snapshot(detail, [upload()], [training], percent=41)) == []
    assert story.status == "training 41 %"
    steps = ("preparing", "training", "evaluating", "registering", "deploying")
    deploying = run("deploying", steps=steps, **MEASURED)
    lines = texts(story, Snapshot(detail, [upload()], [deploying]))
    assert "evaluated: auc 0.9134 (95 %: 0.889 to 0.9341)" in lines
    assert "registered as version 2: Not worse than version 1." in lines
    assert story.outcome is None
    way = {"version": 2, "stage": "shifting", "percent": 10, "left_seconds": 300, "least_seconds": 600}
    said = "version 2 has 10 % of the requests, watched for another 5m; with the other shares 10m at least"
    assert texts(story, Snapshot({**detail, "way_in": way}, [upload()], [deploying])) == [said]
    later = {**way, "left_seconds": 60, "least_seconds": 360}
    assert texts(story, Snapshot({**detail, "way_in": later}, [upload()], [deploying])) == []
    assert "another 1m; with the other shares 6m" in story.status
    live = run("live", steps=(*steps, "live"), **MEASURED)
    lines = texts(story, Snapshot({"model": "m", "active_run": None}, [upload()], [live]))
    assert lines == ["endpoint in service", "live: version 2"]
    assert story.outcome is not None
    assert (story.outcome.exit_code, story.outcome.version) == (0, 2)


def test_an_older_run_is_not_the_one_that_is_watched() -> None:
    old = run("live", at=T0)
    assert following_run([old], upload(at=T1)) is None
    assert following_run([old, run("training", at=T2)], upload(at=T1)) == run("training", at=T2)
    story = Story("m")
    story.observe(Snapshot({"model": "m", "state": "live"}, [upload(at=T1)], [old]))
    assert story.outcome is None


def test_a_rejected_upload_ends_it_with_what_and_remedy() -> None:
    story = Story("m")
    lines = texts(
        story, Snapshot({"model": "m"}, [upload("rejected", error=ERROR), upload(at=T0)], [run("live", at=T0)])
    )
    assert lines == ["upload rejected: data/m/a.csv", "One class only: churned is always no"]
    assert story.outcome is not None
    assert (story.outcome.exit_code, story.outcome.remedy) == (1, "Add rows with another value.")


def test_a_file_whose_model_name_is_not_allowed_is_found_among_the_unplaced() -> None:
    story = Story("Bad")
    stray = upload(
        "rejected", key="data/Bad/a.csv", error={"title": "Not a model name", "detail": "Bad", "remedy": "x"}
    )
    story.observe(Snapshot(None, unplaced=[stray, upload("rejected", at=T2, key="data/other/a.csv")]))
    assert story.outcome is not None
    assert story.outcome.sentence == "Not a model name: Bad"


@pytest.mark.parametrize(
    ("status", "more", "code", "said"),
    [
        (
            "rejected",
            {"verdict": {"accepted": False, "reason": "AUC 0.5 is below 0.7."}},
            1,
            "rejected: AUC 0.5 is below 0.7.",
        ),
        ("failed", {"error": ERROR}, 1, "failed: One class only: churned is always no"),
        ("awaiting_approval", {"version": 3}, 3, "version 3 waits for a person's approval"),
        ("in_experiment", {"version": 3}, 0, "version 3 is compared with the one that serves"),
    ],
)
def test_other_ends(status: str, more: dict[str, Any], code: int, said: str) -> None:
    story = Story("m")
    lines = texts(story, Snapshot({"model": "m"}, [upload()], [run(status, **more)]))
    assert story.outcome is not None
    assert story.outcome.exit_code == code
    assert lines[-1] == said


def test_an_approval_by_hand_is_told_without_the_verdict_again() -> None:
    story = Story("m")
    waits = [{"status": "awaiting_approval", "at": T2, "message": "Accepted."}]
    lines = texts(story, Snapshot({"model": "m"}, [upload()], [run("awaiting_approval", version=3, history=waits)]))
    assert story.outcome is not None
    assert story.outcome.remedy == "`sluice approve m 3` approves it."
    assert sum("Accepted." in line for line in lines) == 1
    approved = [*waits, {"status": "deploying", "at": T3, "message": "Approved."}]
    lines = texts(Story("m"), Snapshot({"model": "m"}, [upload()], [run("deploying", version=3, history=approved)]))
    assert sum("Accepted." in line for line in lines) == 1
    assert lines[-2:] == ["Approved.", "bringing the endpoint into service"]


def test_a_persons_no_is_told_as_that() -> None:
    story, said = Story("m"), "Rejected in the model registry: label leaks."
    steps = [
        {"status": "awaiting_approval", "at": T2, "message": "Accepted."},
        {"status": "rejected", "at": T3, "message": said},
    ]
    verdict = {"accepted": True, "reason": "Accepted."}
    lines = texts(story, Snapshot({}, [upload()], [run("rejected", version=3, history=steps, verdict=verdict)]))
    assert lines[-2:] == [said, f"rejected: {said}"]
    assert sum("Accepted." in line for line in lines) == 1


def test_a_version_that_waits_for_an_endpoint_that_sleeps_is_told_and_not_waited_for() -> None:
    story, detail = Story("m"), {"active_run": "r" + T2, "endpoint_state": "asleep"}
    texts(story, Snapshot(detail, [upload()], [run("training")]))
    assert story.outcome is None
    lines = texts(story, Snapshot(detail, [upload()], [run("deploying", version=3)]))
    assert lines[-1] == "version 3 goes live when the endpoint wakes"
    assert story.outcome is not None
    assert (story.outcome.exit_code, "sluice wake m" in story.outcome.remedy) == (0, True)


def test_an_end_is_no_end_while_a_newer_run_is_active() -> None:
    story = Story("m")
    story.observe(Snapshot({"model": "m", "active_run": "another"}, [upload()], [run("rejected")]))
    assert story.outcome is None


def test_what_was_asked_for_is_waited_for_and_the_last_end_is_not_told_again() -> None:
    story, failed = Story("m"), run("failed", error=ERROR)
    detail = {"model": "m", "state": "working", "asked": "settings:1"}
    assert not any("One class" in line for line in texts(story, Snapshot(detail, [upload()], [failed])))
    assert (story.outcome, story.status.startswith("waiting for the run")) == (None, True)
    begun = [failed, run("preparing", at=T3)]
    texts(story, Snapshot(detail | {"asked": None, "active_run": "r" + T3}, [upload()], begun))
    assert story.status == "preparing the data set"
    texts(story, Snapshot({"model": "m"}, [upload()], [failed, run("live", at=T3, version=1)]))
    assert story.outcome is not None
    assert story.outcome.exit_code == 0


def test_the_same_data_again_tells_the_end_of_the_last_run() -> None:
    story = Story("m")
    ignored = upload("ignored", at=T3, notes=["The same content is there already."])
    lines = texts(story, Snapshot({"model": "m", "state": "live"}, [ignored], [run("live", at=T1, version=1)]))
    assert "The same content is there already." in lines
    assert story.outcome is not None
    assert story.outcome.exit_code == 0


def test_a_mistake_in_the_settings_ends_it() -> None:
    story = Story("m")
    story.observe(Snapshot({"model": "m", "settings_problem": ERROR}, [upload()], []))
    assert story.outcome is not None
    assert "model.yaml can't be used" in story.outcome.sentence


@pytest.mark.parametrize(
    ("lines", "rounds", "percent"),
    [
        ([], 100, None),
        (["[39]#011train-auc:0.9#011validation-auc:0.8"], 100, 40),
        (["[99]\ttrain-rmse:1.0", "saved"], 100, 100),
        (["[3] train-auc:1"], 0, None),
        (["nothing"], 10, None),
    ],
)
def test_percent_of_the_training(lines: list[str], rounds: int, percent: int | None) -> None:
    assert percent_done(lines, rounds) == percent


def test_one_bad_row_is_singular_and_no_metric_is_nothing() -> None:
    assert "1 bad row set aside" in describe_upload(upload(rejected_rows=1)).text
    assert metric_of(run("training")) == ""


def test_a_preparation_in_a_processing_job_is_told_with_what_it_costs_and_then_the_whole() -> None:
    price = {"usd_per_hour": 0.23, "source": "list", "region": "us-east-1"}

    def cost(usd: float, *lines: str) -> dict[str, Any]:
        estimate = {"usd": usd, "worst_usd": 2 * usd, "lines": [{"what": line, "price": price} for line in lines]}
        return {"estimate": estimate, "actual": None}

    said = "2.3 MB of accepted rows are more than a function prepares: processing job sluicegate-m-1f2e3d4c-p."
    story, detail = Story("m"), {"model": "m", "state": "working", "active_run": "r" + T2}
    processing = run("processing", steps=("preparing", "processing"), cost=cost(0.5, "preparation"))
    processing["history"][-1]["message"] = said
    lines = texts(story, Snapshot(detail, [upload()], [processing]))
    assert lines[-2:] == [said, "the preparation is estimated at $0.5000, at most $1.00 (AWS's price list)"]
    assert story.status == "preparing the data set in a processing job"
    steps = ("preparing", "processing", "training")
    training = run("training", steps=steps, cost=cost(0.7, "preparation", "training", "evaluation"))
    training["history"][1]["message"] = said
    lines = texts(story, Snapshot(detail, [upload()], [training]))
    assert lines[0] == "data set ready"
    assert lines[-1] == "estimated at $0.7000, at most $1.40 (AWS's price list)"


def test_who_waits_for_a_file_in_vain_is_told_once() -> None:
    story = Story("churn")
    story.observe(Snapshot(None))
    assert story.hint(1.0) == []
    (line,) = story.hint(6.0)
    assert "No file under data/churn/ was noticed" in line.text
    assert story.hint(60.0) == []
    come = Story("churn")
    come.observe(Snapshot(None, uploads=[upload("received", key="data/churn/a.csv")]))
    assert come.hint(60.0) == []
