"""What the application sends for each built-in the container takes, and what it answers the application reads.

The tables are apart on purpose: ours is made from AWS's own pages (on AWS the container is Amazon's), the region's
container serves any client.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from local_region.containers.builtin import factorization_machines, kmeans, knn, linear_learner, pca, random_cut_forest
from local_region.containers.common.errors import UserError
from local_region.containers.common.parameters import parsed
from sluicegate.domain import algorithms
from sluicegate.domain.algorithms.rules import ListOf, Number, OneOf, Rule, on_the_wire
from sluicegate.domain.schema import SUPERVISED, Problem, ProblemKind
from sluicegate.domain.settings import ModelSettings
from tests.support.containers import csv, records, train

CONTAINERS = {
    module.ALGORITHM.name: module.ALGORITHM
    for module in (linear_learner, knn, kmeans, pca, random_cut_forest, factorization_machines)
}
PROBLEMS: dict[ProblemKind, Problem] = {
    "binary": Problem("binary", ("no", "yes"), "yes"),
    "multiclass": Problem("multiclass", ("a", "b", "c")),
    "regression": Problem("regression"),
    "clustering": Problem("clustering"),
    "decomposition": Problem("decomposition"),
    "anomaly": Problem("anomaly"),
}
PAIRS = [(name, kind) for name in CONTAINERS for kind in algorithms.named(name).problems]
ROWS, WIDTH = 240, 4


def edges(rule: Rule) -> list[object]:
    """Values that the rule accepts, at its bounds and between."""
    if isinstance(rule, OneOf):
        return list(rule.values)
    if isinstance(rule, ListOf):
        return [rule.values[0], list(rule.values)]
    assert isinstance(rule, Number)
    low = 0.0 if rule.low is None else rule.low
    inside = [low + 1, low + 2] if rule.whole else [low + 0.5]
    bounds = [bound for bound, open_ in ((rule.low, rule.low_open), (rule.high, rule.high_open))
              if bound is not None and not open_]  # fmt: skip
    return [value for value in (*inside, *bounds, *rule.words) if rule.problem(value) is None]


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_container_knows_every_hyperparameter_and_accepts_what_we_do(name: str) -> None:
    rules, container = algorithms.named(name).rules(), CONTAINERS[name]
    assert set(rules) == set(container.hyperparameters)
    for hyperparameter, rule in rules.items():
        for value in edges(rule):
            parsed(container.hyperparameters, {hyperparameter: on_the_wire(rule, value)})


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_the_container_refuses_we_refuse_before(name: str) -> None:
    rules, container = algorithms.named(name).rules(), CONTAINERS[name]
    for hyperparameter, rule in rules.items():
        for text in ("-7", "0.5", "nonsense"):
            try:
                parsed(container.hyperparameters, {hyperparameter: text})
            except UserError:
                assert rule.problem(text) is not None, (hyperparameter, text)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_defaults_train_and_the_answers_are_read(name: str, kind: ProblemKind, tmp_path: Path) -> None:
    algorithm, problem = algorithms.named(name), PROBLEMS[kind]
    random = np.random.default_rng(4)
    classes = max(1, len(problem.classes))
    labels = random.integers(0, classes, ROWS).astype(float)
    features = (random.normal(size=(ROWS, WIDTH)) + 4 * labels[:, None] * np.eye(WIDTH)[0]).astype("f4")
    if kind == "regression":
        labels = features[:, 0] * 2.0 + 1
    learned = labels if kind in SUPERVISED else None
    settings = ModelSettings.model_validate({"algorithm": {"name": name}})
    chosen = algorithm.hyperparameters(settings, problem, {"train": ROWS}, WIDTH)
    write = records if algorithm.train_format == "recordio" else csv
    content = write(learned, features)
    channels = {algorithm.channels[0]: (algorithm.channel_types(algorithm.train_format)[0], content)}
    if algorithm.reads_validation(problem):
        channels[algorithm.channels[1]] = (algorithm.channel_types(algorithm.train_format)[1], content)
    served = train(CONTAINERS[name], tmp_path / "job", chosen, channels, algorithm.distributions[0])
    asked = (records if algorithm.infer_format == "recordio" else csv)(None, features[:20])
    for accept in (algorithm.accept, algorithm.transform_accept):
        status, body = served.ask(asked, algorithm.content_type(algorithm.infer_format), accept)
        assert status == 200, body
        found = algorithm.decode(body, problem)
        rows = list(algorithm.table(body.decode().splitlines(), problem))
        assert len(found) == len(rows) == 20
        said = [answer.prediction for answer in found]
        if problem.classes:
            right = [problem.classes[int(label)] for label in labels[:20]]
            assert np.mean([one == other for one, other in zip(said, right, strict=True)]) > 0.8
            assert all(sum((answer.probabilities or {}).values()) == pytest.approx(1) for answer in found)
        elif kind == "regression":
            assert np.corrcoef(np.array(said, float), labels[:20])[0, 1] > 0.8
        elif kind == "clustering":
            assert all(isinstance(answer.prediction, int) and (answer.distance or 0) >= 0 for answer in found)
        elif kind == "decomposition":
            assert all(isinstance(one, list) and len(one) == int(chosen["num_components"]) for one in said)
        else:
            judged = Problem("anomaly", threshold=float(np.median(np.array(said, float))))
            flags = [answer.anomaly for answer in algorithm.decode(body, judged)]
            assert True in flags and False in flags
