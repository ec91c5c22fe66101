"""A run that tunes: started, followed, stopped by its budget, its best job registered; what it costs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from sluicegate.domain import names, source
from sluicegate.domain.tunables import Objective
from sluicegate.ports import TransformSpec, Trial, TuningJob
from sluicegate.services.follow import best_of
from tests.support.fakes import FakePrices
from tests.support.flow import Flow, table

TUNED = b"algorithm: {tuning: {max_jobs: 4, parallel: 2}}\n"


def tuned(settings: bytes = TUNED, rows: int = 240) -> Flow:
    flow = Flow()
    flow.put("models/churn/model.yaml", settings)
    flow.put("data/churn/first.csv", table(rows, 1))
    return flow


def run_of(flow: Flow) -> dict[str, Any]:
    return dict(flow.registry.runs("churn")[0])


def test_the_best_job_is_evaluated_registered_and_live() -> None:
    flow = tuned()
    flow.play()
    run = run_of(flow)
    assert run["status"] == "live"
    (name,) = flow.jobs.tunings
    assert name == names.tuning_job("sluicegate", "churn", run["run"])
    assert flow.jobs.training == {}
    best = flow.jobs.tunings[name].trials[1].name
    assert run["training_job"] == best
    model = f"sluicegate-churn-{run['run']}"
    assert flow.jobs.models == {model: f"s3://data/artifacts/churn/{best}/output/model.tar.gz"}
    search = run["tuning"]
    assert search["best"] == {"job": best, "value": 0.9, "hyperparameters": {"eta": "0.2"}}
    assert [trial["status"] for trial in search["trials"]] == ["Completed"] * 4
    assert (search["status"], search["max_jobs"], search["objective"]) == ("Completed", 4, "validation:auc")
    assert "Bayesian search for validation:auc with 4 training jobs, 2 at a time" in str(run["history"])
    report = flow.storage.json(run["report"].replace(".html", ".json"))
    assert report["tuning"] == search
    assert report["cost"] == run["cost"]
    assert {line["what"] for line in report["cost"]["actual"]["lines"]} == {"training", "evaluation"}
    assert best in flow.storage.objects[run["report"]].decode()


def test_the_job_is_as_model_yaml_says() -> None:
    flow = tuned(
        b"problem: binary\nalgorithm: {hyperparameters: {gamma: 1}, tuning: {objective: logloss, strategy: Random,"
        b" max_jobs: 3, ranges: {eta: {min: 0.1, max: 0.2, scaling: Logarithmic}, max_depth: [2, 4],"
        b" subsample: {values: [0.5, 1]}}}}\n"
    )
    flow.play()
    (tuning,) = flow.jobs.tunings.values()
    spec = tuning.spec
    assert (spec.strategy, spec.metric, spec.direction, spec.jobs) == ("Random", "validation:logloss", "Minimize", 3)
    eta = {"Name": "eta", "MinValue": "0.1", "MaxValue": "0.2", "ScalingType": "Logarithmic"}
    assert spec.ranges == {
        "ContinuousParameterRanges": [eta],
        "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "2", "MaxValue": "4", "ScalingType": "Auto"}],
        "CategoricalParameterRanges": [{"Name": "subsample", "Values": ["0.5", "1"]}],
    }
    assert not {"eta", "max_depth", "subsample"} & set(spec.trial.hyperparameters)
    assert spec.trial.hyperparameters["gamma"] == "1"


def test_a_ready_made_script_is_told_what_to_print() -> None:
    flow = tuned(
        b"problem: binary\nalgorithm: {name: lightgbm, hyperparameters: {num_boost_round: 81}, tuning: {strategy: "
        b"Hyperband, objective: logloss, ranges: {bagging_fraction: [0.5, 1.0], boosting: {values: [gbdt, dart]}}}}\n"
    )
    flow.play()
    (tuning,) = flow.jobs.tunings.values()
    spec = tuning.spec
    assert (spec.metric, spec.direction, spec.resources) == ("validation:binary_logloss", "Minimize", (3, 81))
    (expression,) = spec.definitions.values()
    assert re.findall(expression, "[0]#011train-binary_logloss:1#011validation-binary_logloss:0.25") == ["0.25"]
    static = spec.trial.hyperparameters
    assert static["custom_metric"] == "binary_logloss"
    assert static["bagging_freq"] == "1", "without it bagging_fraction means nothing"
    assert not {"bagging_fraction", "boosting"} & set(static)
    assert static["sagemaker_program"] == source.RUNNER
    assert spec.trial.environment == {"SLUICEGATE_ENTRY_POINT": "train.py"}
    assert run_of(flow)["status"] == "live"


SCRIPT = (
    b"algorithm: {name: script, hyperparameters: {trees: 10}, tuning: {max_jobs: 3, warm_start: true, "
    b"ranges: {depth: [1, 9], rate: [0.1, 1.0]}, metric: {name: loss, regex: 'loss=([0-9.]+)', goal: minimize}}}\n"
)


def scripted(settings: bytes = SCRIPT) -> Flow:
    flow = tuned(settings)
    flow.put("models/churn/code/train.py", b"print('loss=1')\n")
    return flow


def test_a_script_is_tuned_for_what_it_prints() -> None:
    flow = scripted(SCRIPT.replace(b"max_jobs", b"early_stopping: true, max_jobs"))
    flow.play()
    (tuning,) = flow.jobs.tunings.values()
    spec = tuning.spec
    assert (spec.metric, spec.direction, spec.definitions) == ("loss", "Minimize", {"loss": "loss=([0-9.]+)"})
    assert {group: [each["Name"] for each in ranges] for group, ranges in spec.ranges.items()} == {
        "IntegerParameterRanges": ["depth"],
        "ContinuousParameterRanges": ["rate"],
    }
    assert spec.trial.hyperparameters["trees"] == "10"
    run = run_of(flow)
    assert run["status"] == "live"
    assert run["tuning"]["best"]["value"] == 0.7, "the least"
    assert run["cost"]["estimate"]["lines"][0]["jobs"] == 3


def test_an_own_image_is_tuned_without_a_script() -> None:
    image = b"123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"
    flow = tuned(SCRIPT.replace(b"name: script", b"name: image, image: '" + image + b"'"))
    flow.play()
    (tuning,) = flow.jobs.tunings.values()
    assert tuning.spec.trial.image == image.decode()
    assert (dict(tuning.spec.trial.hyperparameters), dict(tuning.spec.trial.environment)) == ({"trees": "10"}, {})
    assert tuning.spec.definitions == {"loss": "loss=([0-9.]+)"}


def test_a_warm_start_with_other_code_is_a_transfer() -> None:
    flow = scripted()
    flow.play()
    first = run_of(flow)["tuning"]["job"]
    flow.put("models/churn/code/train.py", b"print('loss=2')\n")
    flow.play()
    second = flow.jobs.tunings[run_of(flow)["tuning"]["job"]].spec
    assert (second.parent, second.identical) == (first, False)
    flow.put("models/churn/model.yaml", SCRIPT.replace(b"minimize", b"maximize"))
    flow.play()
    assert run_of(flow)["tuning"]["warm_start"] is None, "better is the other way round"


def stop_search(flow: Flow, trials: int) -> None:
    """Somebody stops the one tuning job when so many of its trials have begun."""
    for _ in range(40):
        flow.collect()
        if flow.pending:
            flow.attempt(*flow.pending.pop(0))
        elif flow.jobs.tunings:
            (name,) = flow.jobs.tunings
            if len(flow.jobs.tunings[name].trials) == trials:
                flow.jobs.stop_tuning_job(name)
                return
            flow.jobs.step_tuning(name)
    raise AssertionError(f"the tuning job never had {trials} trials")


@pytest.mark.parametrize("stopped", [False, True])
def test_a_metric_that_nobody_prints_is_told_with_what_to_do(stopped: bool) -> None:
    flow = scripted()
    flow.jobs.outcome = lambda number: ("Completed", None)  # type: ignore[method-assign]
    if stopped:
        stop_search(flow, 1)
    flow.play()
    error = run_of(flow)["error"]
    assert error is not None and error["title"] == "Tuning failed"
    jobs = "1 training job completed" if stopped else "3 training jobs completed"
    assert f"{jobs}, and loss was in no line that was printed." in error["detail"]
    assert "No training job completed" not in error["detail"]
    assert "algorithm.tuning.metric.regex finds" in error["remedy"]
    assert run_of(flow)["tuning"]["trials"][0]["job"] in error["remedy"]


def test_hyperband_gets_the_rounds_as_its_resource() -> None:
    flow = tuned(b"algorithm: {hyperparameters: {num_round: 81}, tuning: {strategy: Hyperband}}\n")
    flow.play()
    (tuning,) = flow.jobs.tunings.values()
    assert tuning.spec.resources == (3, 81)


def test_a_warm_start_takes_the_last_tuning_that_fits() -> None:
    settings = b"algorithm: {tuning: {max_jobs: 2, warm_start: true}}\n"
    flow = tuned(settings)
    flow.play()
    first = run_of(flow)
    assert first["tuning"]["warm_start"] is None
    flow.put("data/churn/second.csv", table(260, 2))
    flow.play()
    second = run_of(flow)
    assert second["run"] != first["run"]
    assert second["tuning"]["warm_start"] == first["tuning"]["job"]
    assert flow.jobs.tunings[second["tuning"]["job"]].spec.identical is False
    flow.put("models/churn/model.yaml", settings + b"evaluation: {tolerance: 0.1}\n")
    flow.play()
    third = run_of(flow)
    assert flow.jobs.tunings[third["tuning"]["job"]].spec.parent == second["tuning"]["job"]
    assert flow.jobs.tunings[third["tuning"]["job"]].spec.identical is True
    flow.put("models/churn/model.yaml", settings + b"evaluation: {metric: logloss}\n")
    flow.play()
    assert run_of(flow)["tuning"]["warm_start"] is None, "another objective"


def test_every_trial_failed() -> None:
    flow = tuned()
    flow.jobs.outcome = lambda number: ("Failed", None)  # type: ignore[method-assign]
    flow.play()
    run = run_of(flow)
    assert run["status"] == "failed"
    assert run["error"]["title"] == "Tuning failed"
    assert "No training job succeeded" in run["error"]["detail"]
    assert "it broke" in run["error"]["detail"]
    assert run["cost"]["actual"]["lines"][0]["jobs"] == 4
    assert flow.registry.model("churn").get("active_run") is None


def test_some_trials_failed() -> None:
    flow = tuned()
    flow.jobs.outcome = lambda number: ("Failed", None) if number < 4 else ("Completed", 0.6)  # type: ignore[method-assign]
    flow.play()
    run = run_of(flow)
    assert run["status"] == "live"
    assert [trial["status"] for trial in run["tuning"]["trials"]] == ["Failed", "Failed", "Failed", "Completed"]
    assert run["tuning"]["trials"][0]["reason"] == "AlgorithmError: it broke"


@pytest.mark.parametrize(("trials", "status"), [(0, "failed"), (2, "live")])
def test_stopped_by_somebody(trials: int, status: str) -> None:
    """What there is counts; nothing is a failure that says so."""
    flow = tuned()
    stop_search(flow, trials)
    flow.play()
    run = run_of(flow)
    assert run["status"] == status
    assert run["tuning"]["status"] == "Stopped"
    assert run["tuning"]["stopped"] == "It was stopped by somebody."
    if status == "failed":
        assert run["error"]["detail"] == "No training job completed. It was stopped by somebody."


def test_a_spent_budget_stops_the_search_and_keeps_the_best() -> None:
    """A trial is estimated at two minutes and takes an hour."""
    flow = tuned(TUNED + b"budget: {per_run_usd: 0.2}\n")
    flow.jobs.seconds = 3600.0
    flow.play()
    run = run_of(flow)
    assert run["status"] == "live"
    assert run["tuning"]["stopped"] == "The budget is spent: $0.2300 of $0.2000."
    assert len(run["tuning"]["trials"]) == 2
    assert run["cost"]["actual"]["lines"][0] == {
        "what": "training", "instance": "ml.m5.large", "count": 1, "jobs": 2, "seconds": 7200, "usd": 0.23
    }  # fmt: skip
    (tuning,) = flow.jobs.tunings.values()
    assert tuning.spec.trial.max_runtime_seconds == 3600, "an hour is less than the budget pays"


def test_no_job_may_run_for_longer_than_the_budget_pays() -> None:
    flow = tuned(b"budget: {per_run_usd: 0.05}\n")
    flow.play()
    (spec,) = flow.jobs.training.values()
    assert spec.max_runtime_seconds == int(0.05 / 0.115 * 3600)


def test_a_run_above_the_budget_is_refused_with_the_sum_and_starts_nothing() -> None:
    flow = tuned(TUNED + b"budget: {per_run_usd: 0.01}\n")
    flow.play()
    run = run_of(flow)
    assert run["status"] == "failed"
    assert run["error"]["title"] == "Above the budget"
    assert "training 4 x 1 ml.m5.large x 0.031 h x $0.115" in run["error"]["detail"]
    assert "budget.per_run_usd is $0.0100" in run["error"]["detail"]
    assert run["cost"]["estimate"]["usd"] > 0.01
    assert run["cost"]["actual"] is None
    assert not flow.jobs.tunings
    assert not flow.jobs.training
    flow.put("models/churn/model.yaml", TUNED + b"budget: {per_run_usd: 5}\n")
    flow.play()
    assert run_of(flow)["status"] == "live"


def test_a_budget_cannot_be_kept_without_a_price() -> None:
    flow = tuned(b"training: {instance: ml.unheardof.large}\nbudget: {per_run_usd: 5}\n")
    flow.prices = FakePrices(None)
    flow.play()
    assert run_of(flow)["error"]["title"] == "The price is not known"


def test_without_the_price_list_the_estimate_names_the_table() -> None:
    flow = tuned(b"")
    flow.prices = FakePrices(None)
    flow.play()
    price = run_of(flow)["cost"]["estimate"]["lines"][0]["price"]
    assert price == {"usd_per_hour": 0.115, "source": "table", "region": "us-east-1", "seen": "2026-08-11"}


def test_what_a_run_cost_is_known_and_tells_the_next_estimate() -> None:
    flow = tuned(b"")
    flow.jobs.seconds = 600.0
    flow.play()
    first = run_of(flow)["cost"]
    assert "rounds" in first["estimate"]["basis"]
    assert [(line["what"], line["seconds"]) for line in first["actual"]["lines"]] == [
        ("training", 600),
        ("evaluation", 600),
    ]
    assert first["actual"]["usd"] == pytest.approx(2 * 600 / 3600 * 0.115, abs=0.0002)
    flow.put("data/churn/second.csv", table(240, 2))
    flow.play()
    second = run_of(flow)["cost"]["estimate"]
    assert "the billed seconds of run" in second["basis"]
    seconds = second["lines"][0]["seconds"]
    assert 1000 < seconds < 1200, "twice the rows: what is above the fixed part doubles"
    assert second["lines"][1]["jobs"] == 2, "the champion predicts, too"
    flow.put("models/churn/model.yaml", b"algorithm: {hyperparameters: {num_round: 1000}}\n")
    flow.play()
    third = run_of(flow)["cost"]["estimate"]
    assert "x 1,000 rounds" in third["basis"], "what other hyperparameters took tells nothing of these"


def test_a_job_that_failed_early_tells_nothing_of_the_next_ones_cost() -> None:
    flow = tuned(b"")
    flow.jobs.seconds = 3.0
    flow.collect()
    while not flow.jobs.training:
        flow.attempt(*flow.pending.pop(0))
        flow.collect()
    (name,) = flow.jobs.training
    flow.jobs.end("training", name, "Failed", "no such column")
    flow.play()
    assert run_of(flow)["cost"]["actual"]["lines"][0]["seconds"] == 3
    flow.put("data/churn/second.csv", table(240, 2))
    flow.play()
    assert "rounds" in run_of(flow)["cost"]["estimate"]["basis"]


def test_a_run_that_fails_in_its_evaluation_tells_what_that_cost() -> None:
    flow = tuned(b"")
    flow.jobs.seconds = 600.0
    for _ in range(10):  # the upload, the message, the training job's end
        flow.collect()
        while flow.pending:
            flow.deliver(*flow.pending.pop(0))
        if flow.jobs.transforms:
            break
        flow.sagemaker()
    (job,) = flow.jobs.transforms
    flow.jobs.end("transform", job, "Failed", "ClientError: 400")
    flow.play()
    run = run_of(flow)
    assert run["status"] == "failed"
    assert [line["what"] for line in run["cost"]["actual"]["lines"]] == ["training", "evaluation"]


def test_progress_is_told_as_it_goes() -> None:
    flow = tuned()
    said = []
    for _ in range(60):
        flow.collect()
        if not flow.pending and not flow.sagemaker():
            break
        if flow.pending:
            kind, *rest = flow.pending.pop(0)
            flow.attempt(kind, *rest)
            if kind == "trial":
                said.append(flow.registry.model("churn")["message"])
    run = run_of(flow)["run"]
    assert said[:2] == [
        f"Tuning run {run}: 1 of 4 jobs, the best validation:auc 0.7.",
        f"Tuning run {run}: 2 of 4 jobs, the best validation:auc 0.9.",
    ]


def test_a_value_that_comes_after_its_jobs_end_counts() -> None:
    flow = tuned()
    listed, seen = flow.jobs.trials, set[str]()

    def trials(tuning_job: str) -> list[Trial]:
        found = []
        for trial in listed(tuning_job):
            late = trial.over and trial.name not in seen
            found.append(replace(trial, value=None) if late else trial)
            seen.update([trial.name] if trial.over else [])
        return found

    flow.jobs.trials = trials  # type: ignore[method-assign]
    flow.play()
    search = run_of(flow)["tuning"]
    assert [trial["value"] for trial in search["trials"]] == [0.7, 0.9, 0.8, 0.8]
    assert search["best"]["value"] == 0.9


def test_the_best_so_far_is_the_listings_and_at_the_end_sagemakers() -> None:
    trials = [{"job": f"t-{n}", "status": "Completed", "value": n / 10, "hyperparameters": {}} for n in (7, 9, 9)]
    trials[2]["job"] = "t-equal"
    objective = Objective("validation:auc", "Maximize")
    for status, named, expected in (("InProgress", "t-7", "t-9"), ("Completed", "t-equal", "t-equal")):
        found = best_of(objective, trials, TuningJob("t", status, "", "s3://data/artifacts/churn", named))
        assert found is not None
        assert found["job"] == expected
    assert best_of(objective, [], TuningJob("t", "InProgress", "", "", "t-7")) is None


def test_strangers_are_ignored() -> None:
    flow = tuned()
    flow.play()
    for kind, name in (
        ("trial", "sluicegate-T00000000-churn-001-0a1b2c3d"),
        ("trial", "sluicegate-churn-1f2e3d4c"),
        ("tuning", "sluicegate-T00000000-churn"),
        ("tuning", "other"),
        ("training", "sluicegate-T00000000-churn-001-0a1b2c3d"),
    ):
        assert flow.deliver(kind, "e", name) == "ignored"


@pytest.mark.parametrize("model", ["a", "churn", "churn-001", "x" * 40, "a-b-c-d-e-f-g-h-i-j-k"])
def test_no_name_of_a_tuning_job_is_taken_for_a_runs(model: str) -> None:
    name = names.tuning_job("sluicegate", model, "1f2e3d4c")
    assert len(name) <= 32
    assert names.tuning_run("sluicegate", name) == "1f2e3d4c"
    trial = f"{name}-001-0a1b2c3d"
    assert names.owner("sluicegate", trial) is None
    assert names.owner("sluicegate", name) is None
    assert names.tuning_of_trial("sluicegate", trial) == name
    assert (
        names.tuning_of_trial("sluicegate", names.training_job("sluicegate", f"{model[:30]}-001", "0a1b2c3d")) is None
    )


def test_what_was_trained_is_noted_before_its_evaluation_can_end() -> None:
    """A transform job may be over before the function that made it writes again; the version must not name another's
    artifact then."""
    flow = tuned()
    create, noted = flow.jobs.create_transform_job, list[Any]()

    def created(spec: TransformSpec) -> None:
        noted.append((run_of(flow)["status"], run_of(flow)["training_job"], run_of(flow)["transform_jobs"]))
        create(spec)

    flow.jobs.create_transform_job = created  # type: ignore[method-assign]
    flow.play()
    (search,) = flow.jobs.tunings.values()
    assert noted == [
        ("evaluating", search.trials[1].name, [flow.jobs.transforms[name].name for name in flow.jobs.transforms])
    ]
