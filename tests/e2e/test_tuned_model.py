"""A model whose run tunes, on a real region: searched by real training jobs, the best of them live."""

from __future__ import annotations

import pytest

from sluicegate.domain import names
from tests.e2e.test_main_job import as_csv, breast_cancer
from tests.support.application import Application

pytestmark = pytest.mark.e2e
SETTINGS = """
algorithm:
  hyperparameters: {num_round: 15}
  tuning: {max_jobs: 4, parallel: 2, ranges: {eta: [0.05, 0.5], max_depth: [1, 4]}}
budget: {per_run_usd: 1}
"""


def test_the_best_of_four_jobs_is_live(application: Application) -> None:
    header, rows = breast_cancer()
    application.settings("lumps", SETTINGS)
    application.put("data/lumps/all.csv", as_csv(header, rows))
    watched = application.watch("lumps")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    runs = application.runs("lumps")
    assert len(runs) == 1, runs
    (run,) = runs
    search, sagemaker = run["tuning"], application.client("sagemaker")
    assert search["job"] == names.tuning_job("sluicegate", "lumps", run["run"])
    job = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=search["job"])
    assert job["BestTrainingJob"]["TrainingJobName"] == run["training_job"] == search["best"]["job"]
    assert [trial["status"] for trial in search["trials"]] == ["Completed"] * 4
    values = [trial["value"] for trial in search["trials"]]
    assert search["best"]["value"] == max(values)
    for said in ("tuning: 4 of 4 jobs, best validation:auc", "estimated at $", "the best is", "eta "):
        assert said in watched.stdout
    # the version is the best job's artifact
    package = sagemaker.describe_model_package(
        ModelPackageName=sagemaker.list_model_packages(ModelPackageGroupName="sluicegate-lumps")[
            "ModelPackageSummaryList"
        ][0]["ModelPackageArn"]
    )
    (container,) = package["InferenceSpecification"]["Containers"]
    assert f"/{run['training_job']}/output/model.tar.gz" in container["ModelDataUrl"]
    assert run["metrics"]["auc"]["value"] > 0.95
    cost = run["cost"]
    training, evaluation = cost["actual"]["lines"]
    billed = [
        sagemaker.describe_training_job(TrainingJobName=trial["job"])["BillableTimeInSeconds"]
        for trial in search["trials"]
    ]
    assert (training["jobs"], training["seconds"], evaluation["jobs"]) == (4, sum(billed), 1)
    assert 0 < cost["actual"]["usd"] < cost["estimate"]["usd"] < cost["estimate"]["worst_usd"]
    assert cost["estimate"]["lines"][0]["price"]["source"] == "table", "there is no price list on one machine"
    listed = application.sluice("trials", "lumps").stdout
    assert listed.splitlines()[0].startswith(f"{search['job']}: Bayesian search for validation:auc, Completed; 4 of 4")
    assert application.predict("lumps", dict(zip(header[:-1], rows[0][:-1], strict=True)))["version"] == 1


def test_a_run_above_its_budget_starts_nothing(application: Application) -> None:
    header, rows = breast_cancer()
    application.settings("dear", "algorithm: {tuning: {max_jobs: 100}}\nbudget: {per_run_usd: 0.05}\n")
    application.put("data/dear/all.csv", as_csv(header, rows[:200]))
    watched = application.watch("dear")
    assert watched.returncode == 1
    assert "Above the budget: The run is estimated at $" in watched.stdout
    jobs = application.client("sagemaker").list_training_jobs(NameContains="dear")["TrainingJobSummaries"]
    assert jobs == []
