"""Code under models/<model>/code/: packed whatever the events' order, a part of the run, told when it can't run."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from sluicegate import shipped
from sluicegate.domain import source
from sluicegate.services.catalog import Catalog
from tests.support.flow import Flow, table

SETTINGS = b"algorithm: {name: script, hyperparameters: {depth: 3}}\n"
TRAIN = b"print('training')\n"


def start(**files: bytes) -> Flow:
    flow = Flow()
    flow.put("models/churn/model.yaml", SETTINGS)
    for name, content in files.items():
        flow.put(f"models/churn/code/{name.replace('_', '.')}", content)
    flow.put("data/churn/a.csv", table(240))
    return flow


def shown(flow: Flow) -> Any:
    catalog: Any = Catalog(flow.registry)
    return catalog.model("churn", flow.world.now)


def test_a_script_is_packed_trained_and_served() -> None:
    flow = start(train_py=TRAIN, requirements_txt=b"six\n")
    flow.play()
    (run,) = flow.registry.runs("churn")
    assert run["status"] == "live"
    code = run["code"]
    assert code is not None
    assert code["files"] == ["requirements.txt", "train.py"]
    assert flow.storage.objects[code["key"]][:2] == b"\x1f\x8b"
    ((_, spec),) = flow.jobs.training.items()
    assert spec.image.endswith("/sagemaker-scikit-learn:1.9-0-cpu-py3")
    assert spec.hyperparameters == {
        "depth": "3",
        "sagemaker_program": source.RUNNER,
        "sagemaker_submit_directory": f"s3://data/{code['key']}",
    }
    assert spec.environment == {"SLUICEGATE_ENTRY_POINT": "train.py"}
    expected = {"SAGEMAKER_PROGRAM": "train.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    assert list(flow.jobs.environments.values()) == [expected]
    (package,) = flow.packages.specs
    assert package.environment == expected


def test_inference_py_serves_where_there_is_one() -> None:
    flow = start(train_py=TRAIN, inference_py=b"")
    flow.play()
    assert [each["SAGEMAKER_PROGRAM"] for each in flow.jobs.environments.values()] == ["inference.py"]


def test_a_changed_script_starts_a_run_and_an_unchanged_one_does_not() -> None:
    flow = start(train_py=TRAIN)
    flow.play()
    flow.put("models/churn/code/train.py", TRAIN)
    flow.play()
    assert len(flow.registry.runs("churn")) == 1
    flow.put("models/churn/code/train.py", TRAIN + b"# more\n")
    flow.play()
    runs = flow.registry.runs("churn")
    assert len(runs) == 2
    assert len({run["dataset_version"] for run in runs}) == 1
    flow.put("models/churn/code/train.py", TRAIN)
    flow.play()
    assert len(flow.registry.runs("churn")) == 3  # going back is a wish, too
    flow.delete("models/churn/code/train.py")
    flow.put("models/churn/code/other.py", b"")
    flow.play()
    assert shown(flow)["state"] == "live"
    assert "upload models/churn/code/train.py (there is other.py)" in shown(flow)["message"]
    assert len(flow.registry.runs("churn")) == 3


@pytest.mark.parametrize("retrain", [b"{min_new_rows: 500}", b"{on: [schedule], schedule: rate(7 days)}"])
def test_a_changed_script_starts_a_run_however_few_rows_came(retrain: bytes) -> None:
    flow = start(train_py=TRAIN)
    flow.put("models/churn/model.yaml", SETTINGS + b"retrain: " + retrain)
    flow.play()
    before = len(flow.registry.runs("churn"))
    flow.put("models/churn/code/train.py", TRAIN + b"# more\n")
    flow.play()
    assert len(flow.registry.runs("churn")) == before + 1
    assert flow.registry.model("churn").get("asked") is None


def test_code_of_a_model_that_has_no_script_asks_for_nothing_that_lasts() -> None:
    flow = start()
    flow.put("models/churn/model.yaml", b"retrain: {min_new_rows: 100}")
    flow.play()
    flow.put("models/churn/code/train.py", TRAIN)
    flow.play()
    assert len(flow.registry.runs("churn")) == 1
    assert (flow.registry.model("churn").get("asked"), shown(flow)["asked"]) == (None, None)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_order_and_the_repetitions_the_newest_code_counts(seed: int) -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", SETTINGS)
    flow.put("data/churn/a.csv", table(240))
    for number in range(4):
        flow.put("models/churn/code/train.py", b"x = %d\n" % number)
        flow.put(f"models/churn/code/m{number}.py", b"")
    flow.delete("models/churn/code/m0.py")
    flow.play(copies=2, random=Random(seed))
    code = flow.registry.model("churn").get("code")
    assert code is not None
    assert code["files"] == ["m1.py", "m2.py", "m3.py", "train.py"]
    files = {name: flow.storage.objects[f"models/churn/code/{name}"] for name in code["files"]}
    assert code["digest"] == source.fingerprint({**files, source.RUNNER: shipped.runner()})
    assert flow.registry.runs("churn")[0]["code"] == code


def test_without_the_script_the_data_wait_for_it() -> None:
    flow = start()
    flow.play()
    assert flow.registry.runs("churn") == []
    assert shown(flow)["state"] == "waiting"
    rows = "240 rows accepted; training starts when the script is there; "
    assert shown(flow)["message"] == rows + "Waits for the script: upload models/churn/code/train.py."
    flow.put("models/churn/code/helper.py", b"")
    flow.play()
    assert shown(flow)["message"].endswith("upload models/churn/code/train.py (there is helper.py).")
    flow.put("models/churn/code/train.py", TRAIN)
    flow.play()
    assert shown(flow)["state"] == "live"


def test_a_script_that_cant_run_is_told_with_its_line_and_nothing_starts() -> None:
    flow = start(train_py=b"def f(:\n")
    flow.play()
    assert flow.registry.runs("churn") == []
    problem = shown(flow)["code_problem"]
    assert problem["title"] == "The script can't run"
    assert problem["detail"].startswith("code/train.py, line 1: ")
    assert "code/train.py, line 1" in shown(flow)["message"]
    flow.put("models/churn/code/train.py", TRAIN)
    flow.play()
    assert shown(flow)["code_problem"] is None
    assert shown(flow)["state"] == "live"
    flow.put("models/churn/code/train.py", b")")
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    assert shown(flow)["state"] == "live"  # what serves goes on
    assert len(flow.registry.runs("churn")) == 1
    flow.put("models/churn/code/train.py", TRAIN)
    flow.play()
    assert len(flow.registry.runs("churn")) == 2  # the data were kept


def test_code_that_comes_again_after_a_failure_asks_for_another_attempt() -> None:
    flow = start(train_py=TRAIN)
    flow.collect()
    while flow.pending:
        flow.attempt(*flow.pending.pop(0))
        flow.collect()
    (name,) = (name for kind, name in flow.jobs.states if kind == "training")
    flow.jobs.end("training", name, "Failed")
    flow.play()
    assert [run["status"] for run in flow.registry.runs("churn")] == ["failed"]
    flow.put("models/churn/code/train.py", TRAIN)
    flow.play()
    assert sorted(run["status"] for run in flow.registry.runs("churn")) == ["failed", "live"]


@pytest.mark.parametrize("effect", [1, 2])
def test_another_attempt_is_not_lost_when_its_asking_breaks_off(effect: int) -> None:
    """After the wish was written down, before or after the message went out."""
    flow = start(train_py=TRAIN)
    flow.collect()
    while flow.pending:
        flow.attempt(*flow.pending.pop(0))
        flow.collect()
    (name,) = (name for kind, name in flow.jobs.states if kind == "training")
    flow.jobs.end("training", name, "Failed")
    flow.play()
    flow.put("models/churn/code/train.py", TRAIN)
    flow.world.crash_after = len(flow.world.effects) + effect
    flow.play()
    assert flow.world.crash_after is None
    assert sorted(run["status"] for run in flow.registry.runs("churn")) == ["failed", "live"]


@pytest.mark.parametrize("name", ["lightgbm", "catboost"])
def test_ready_made_scripts_need_nothing_uploaded(name: str) -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", f"algorithm: {{name: {name}}}\n".encode())
    flow.put("data/churn/a.csv", table(240))
    flow.play(copies=2)
    (run,) = flow.registry.runs("churn")
    assert run["status"] == "live"
    code = run["code"]
    assert code is not None
    assert code["files"] == ["requirements.txt", "train.py"]
    assert code["key"] in flow.storage.objects
    ((_, spec),) = flow.jobs.training.items()
    assert spec.hyperparameters["sagemaker_program"] == source.RUNNER
    assert spec.hyperparameters["early_stopping_rounds"] == "20"


def test_an_own_image_trains_and_serves_as_it_says() -> None:
    flow = Flow()
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"
    flow.put("models/churn/model.yaml", f"algorithm: {{name: image, image: '{image}'}}\n".encode())
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    ((_, spec),) = flow.jobs.training.items()
    assert (spec.image, dict(spec.hyperparameters), dict(spec.environment)) == (image, {}, {})
    assert shown(flow)["state"] == "live"
