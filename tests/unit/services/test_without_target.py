"""Models without a target from a file to what ``predict`` is told, with SageMaker played by the test."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest

from sluicegate.adapters.lane import EncodedLane
from sluicegate.data import write
from sluicegate.domain import unsupervised
from tests.support.fakes import World
from tests.support.flow import Flow

SETTINGS = "retrain: {quiet_period: 0s}\n"


def points(rows: int, seed: int = 3) -> bytes:
    """Two clouds, and every 25th point far from both, which ``kind`` says."""
    random = Random(seed)
    lines = ["x,y,kind"]
    for at in range(rows):
        odd = at % 25 == 0
        centre = 80 if odd else 10 * (at % 2)
        lines.append(f"{random.gauss(centre, 1):.4f},{random.gauss(centre, 1):.4f},{'odd' if odd else 'fine'}")
    return "\n".join(lines).encode() + b"\n"


class Unsupervised(Flow):
    """A transform answers with what the built-in would: the nearer cloud, the rows themselves, the distance to 0."""

    def predict(self, name: str) -> None:
        spec = self.jobs.transforms[name]
        assert spec.accept == "application/jsonlines" and spec.content_type == "text/csv"
        train = self.jobs.training[spec.model_name]
        for part in list(self.storage.list(spec.input_uri.removeprefix("s3://data/"))):
            lines = self.storage.objects[part.key].decode().splitlines()
            answers = [self.answer(train.hyperparameters, list(map(float, line.split(",")))) for line in lines]
            key = f"{spec.output_uri.removeprefix('s3://data/')}/{part.key.rsplit('/', 1)[-1]}.out"
            self.storage.objects[key] = "".join(f"{json.dumps(answer)}\n" for answer in answers).encode()

    def predict_batch(self, prefix: str, output: str) -> None:
        (train,) = self.jobs.training.values()
        for part in list(self.storage.list(prefix)):
            rows = [list(map(float, line.split(","))) for line in self.storage.objects[part.key].decode().splitlines()]
            body = "".join(f"{json.dumps(self.answer(train.hyperparameters, row))}\n" for row in rows)
            self.storage.objects[f"{output}/{part.key.rsplit('/', 1)[-1]}.out"] = body.encode()

    @staticmethod
    def answer(hyperparameters: Any, row: list[float]) -> dict[str, Any]:
        if "k" in hyperparameters:
            far = row[0] > 0
            return {"closest_cluster": float(far), "distance_to_cluster": math.hypot(*row[:2])}
        if "num_components" in hyperparameters:
            return {"projection": row[: int(hyperparameters["num_components"])]}
        return {"score": math.hypot(*row[:2])}


def trained(settings: str, flow: Flow | None = None) -> tuple[Flow, Any]:
    flow = flow or Unsupervised()
    flow.put("models/m/model.yaml", (SETTINGS + settings).encode())
    flow.put("data/m/a.csv", points(600))
    flow.play()
    return flow, flow.registry.runs("m")[0]


def lane(flow: Flow) -> EncodedLane:
    (found,) = json.loads(flow.storage.objects["routing/m.json"])["lanes"]
    return EncodedLane.from_json(found)


def test_clusters_go_live_and_are_answered() -> None:
    flow, run = trained("algorithm: {name: kmeans, hyperparameters: {k: 2}}\nfeatures: {exclude: [kind]}\n")
    assert run["status"] == "live", run.get("error")
    assert run["metrics"].keys() == {"silhouette", "mean_distance"} and run["metric"] == "silhouette"
    assert "first version" in run["verdict"]["reason"]
    (spec,) = flow.jobs.training.values()
    assert spec.hyperparameters["feature_dim"] == "2" and spec.channels == ("train", "test")
    assert spec.content_types == ("text/csv;label_size=0",) * 2 and spec.distributions[0] == "ShardedByS3Key"
    model = flow.registry.model("m")
    assert model["problem"] == "clustering" and model.get("target") is None
    (answer,) = lane(flow).decode(b'{"predictions": [{"closest_cluster": 1.0, "distance_to_cluster": 0.5}]}')
    assert answer == {"prediction": 1, "distance": 0.5}
    report = json.loads(flow.storage.objects[f"evaluations/m/{run['run']}/report.json"])
    assert sum(size["rows"] for size in report["figures"]["clusters"]["sizes"]) == report["rows"]
    assert f"evaluations/m/{run['run']}/report.html" in flow.storage.objects


def test_a_holdout_in_several_files_is_sampled_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = "algorithm: {name: kmeans, hyperparameters: {k: 2}}\nfeatures: {exclude: [kind]}\n"
    monkeypatch.setattr(unsupervised, "MOST_ROWS", 25)
    _, whole = trained(settings)
    monkeypatch.setattr(write, "cut", partial(write.cut, largest=300))
    flow, run = trained(settings)
    parts = list(flow.storage.list(f"datasets/m/{run['dataset_version']}/holdout/"))
    assert len(parts) > 2
    assert run["metrics"] == whole["metrics"]


def test_a_newer_version_is_compared_over_the_same_rows() -> None:
    settings = "algorithm: {name: kmeans, hyperparameters: {k: %d}}\nfeatures: {exclude: [kind]}\n"
    flow, _ = trained(settings % 2)
    flow, run = trained(settings % 3, flow)
    assert run["status"] == "live" and "than version 1's" not in run["verdict"]["reason"]
    assert "the same as version 1's" in run["verdict"]["reason"]
    flow, run = trained("algorithm: {name: pca}\nfeatures: {exclude: [kind]}\n", flow)
    assert run["status"] == "live" and run["problem"] == "decomposition"
    assert "could not be compared on the same rows: its problem is clustering" in run["verdict"]["reason"]


def test_the_threshold_of_an_anomaly_is_fixed_when_a_version_is_judged() -> None:
    flow, run = trained("algorithm: {name: randomcutforest}\ntarget: kind\npositive_class: odd\n")
    assert run["status"] == "live", run.get("error")
    assert run["metrics"]["auc"]["value"] > 0.95 and run["metric"] == "auc"
    (spec,) = flow.jobs.training.values()
    assert spec.validation_uri is None and "predictor_type" not in spec.hyperparameters
    threshold = flow.registry.version("m", 1)["threshold"]
    served = lane(flow)
    assert served.problem.threshold == threshold > 0
    body = json.dumps({"scores": [{"score": threshold - 0.01}, {"score": threshold + 0.01}]}).encode()
    assert [answer["anomaly"] for answer in served.decode(body)] == [False, True]


def test_a_share_of_flagged_rows_has_a_ceiling_and_no_champion() -> None:
    text = "algorithm: {name: randomcutforest}\nfeatures: {exclude: [kind]}\nevaluation: {minimum: %s}\n"
    flow, run = trained(text % "0.5")
    assert run["status"] == "live" and "is within the limit" in run["verdict"]["reason"]
    flow, run = trained(text % "0.0001", flow)
    assert run["status"] == "rejected" and "flagged share is above the limit" in run["verdict"]["reason"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("algorithm: {name: factorization-machines}\ntarget: kind\nfeatures: {types: {kind: category}}\n", None),
        ("algorithm: {name: knn, hyperparameters: {k: 5000}}\ntarget: kind\n", "accepted is at most that"),
        ("algorithm: {name: pca, hyperparameters: {num_components: 40}}\n", "accepted is at most 5"),
    ],
)
def test_what_only_the_data_show_ends_the_run_before_a_job(settings: str, said: str | None) -> None:
    flow = Unsupervised()
    flow.put("models/m/model.yaml", (SETTINGS + settings).encode())
    content = points(600)
    if said is None:  # three classes
        content = content.replace(b"odd\n", b"odd\n", 1).replace(b"fine\n", b"usual\n", 90)
    flow.put("data/m/a.csv", content)
    flow.play()
    run: Any = flow.registry.runs("m")[0]
    assert run["status"] == "failed" and not flow.jobs.training
    assert (said or "which solves binary, regression; accepted for a multiclass problem") in run["error"]["detail"]


@pytest.mark.parametrize("number", range(1, 40, 3))
def test_a_crash_after_any_effect_changes_nothing(number: int) -> None:
    flow, run = trained(
        "algorithm: {name: randomcutforest}\ntarget: kind\npositive_class: odd\n",
        Unsupervised(world=World(crash_after=number)),
    )
    assert run["status"] == "live" and len(flow.registry.runs("m")) == 1
    assert len(flow.jobs.training) == len(flow.registry.versions("m")) == 1
    assert lane(flow).problem.threshold == flow.registry.version("m", 1)["threshold"]


@pytest.mark.parametrize(
    ("settings", "header", "last"),
    [
        (
            "algorithm: {name: kmeans, hyperparameters: {k: 2}}\n",
            "prediction,distance",
            lambda cells: float(cells[-1]) >= 0,
        ),
        ("algorithm: {name: randomcutforest}\n", "prediction,anomaly", lambda cells: cells[-1] == "true"),
        ("algorithm: {name: pca}\n", "input_line,component_1", lambda cells: math.isfinite(float(cells[-1]))),
    ],
)
def test_a_batch_says_the_same_as_an_endpoint(settings: str, header: str, last: Callable[[list[str]], bool]) -> None:
    flow, run = trained(settings + "features: {exclude: [kind]}\n")
    assert run["status"] == "live", run.get("error")
    flow.put("batch/m/a.csv", b"x,y\n5,5\n900,900\n")
    flow.play()
    lines = flow.storage.objects["predictions/m/a.csv"].decode().splitlines()
    assert lines[0].endswith(header) and len(lines) == 3
    assert last(lines[2].split(","))
