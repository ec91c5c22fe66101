"""model.yaml: defaults, every mistake at once, fingerprints, hyperparameters."""

from __future__ import annotations

import pytest

from sluicegate.domain import algorithms
from sluicegate.domain.durations import duration_seconds
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.schema import Problem
from sluicegate.domain.settings import ModelSettings, parse_settings

BINARY = Problem("binary", ("no", "yes"), "yes")


def mistakes(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text)
    return caught.value.detail.splitlines()


@pytest.mark.parametrize("text", ["", "# nothing\n", "features:\n", "---\n"])
def test_silence_means_defaults(text: str) -> None:
    assert parse_settings(text) == ModelSettings()


def test_defaults() -> None:
    settings = ModelSettings()
    assert settings.training.instance == "ml.m5.large"
    assert settings.endpoint.serverless is not None
    assert (settings.endpoint.serverless.memory_mb, settings.endpoint.serverless.max_concurrency) == (2048, 5)
    assert settings.retrain.quiet_seconds == 60
    assert settings.split.validation == settings.split.holdout == 0.15


def test_a_full_document() -> None:
    settings = parse_settings(
        """
        target: churned
        problem: binary
        positive_class: yes
        id_column: customer_id
        features: {exclude: [notes], types: {plan: categorical, since: date}}
        algorithm: {name: xgboost, version: "3.0-5", hyperparameters: {num_round: 50, eta: 0.1}}
        training: {instance: ml.m5.xlarge, count: 1, spot: true, max_runtime: 30m}
        split: {validation: 0.1, holdout: 0.2}
        evaluation: {metric: auc, minimum: 0.7, against_champion: not_worse, tolerance: 0.005}
        approval: manual
        deployment: {strategy: all_at_once}
        endpoint: {instance: ml.m5.large, min: 2}
        retrain: {quiet_period: 0s, min_new_rows: 500}
        """
    )
    assert settings.positive_class == "yes"  # text, not YAML 1.1's true
    assert settings.features.types == {"plan": "category", "since": "date"}
    assert settings.endpoint.instance == "ml.m5.large" and settings.endpoint.serverless is None
    assert settings.retrain.quiet_seconds == 0


def test_every_mistake_is_listed_with_path_given_and_accepted() -> None:
    found = mistakes(
        """
        targt: x
        problem: ranking
        features: {types: {a: words, b: number}}
        algorithm: {name: deep-forest, hyperparameters: {eta: 3, nonsense: 1, num_class: 3}, tuning: {max_jobs: 0}}
        training: {count: 21, spot: maybe, max_runtime: 1x}
        split: {validation: 0.5, holdout: 0.5}
        endpoint: {serverless: {memory_mb: 100}, max: 101}
        retrain: {quiet_period: 20m}
        deployment: {strategy: canary, percent: 60, bake: 2h}
        experiment: {mode: abc}
        """
    )
    joined = "\n".join(found)
    for expected in (
        "targt: unknown key (did you mean target?)",
        'problem: given "ranking"; accepted is binary, multiclass, regression, clustering, decomposition or',
        'features.types.a: given "words"; accepted is number, boolean, category, date or text',
        'algorithm.name: given "deep-forest"; accepted is xgboost, linear-learner, knn',
        "algorithm.tuning.max_jobs: given 0; accepted is at least 1",
        "algorithm.hyperparameters.eta: given 3; accepted is a number at least 0 and at most 1",
        "algorithm.hyperparameters.nonsense: given 1; no hyperparameter of XGBoost",
        "algorithm.hyperparameters.num_class: given 3; not to be set",
        "training.count: given 21; accepted is at most 20",
        'training.spot: given "maybe"; accepted is true or false',
        'training.max_runtime: given "1x"',
        "validation and holdout together may be at most 0.8",
        "endpoint.serverless.memory_mb: given 100; accepted is 1024, 2048",
        "endpoint.max: given 101; accepted is at most 100",
        'retrain.quiet_period: given "20m": accepted is a duration between 0s and 15m',
        "deployment.percent: given 60; accepted is at most 50",
        'deployment.bake: given "2h": accepted is a duration between 0s and 1h',
        'experiment.mode: given "abc"; accepted is ab or bandit',
    ):
        assert expected in joined
    assert len(found) == 18


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("target: [", "line 1, column 10"),
        ("target: a\ntarget: b", "line 2, column 1: the key 'target' is given twice"),
        ("a: &x [1]\nb: *x", "references"),
        ("- target", "expected keys with values"),
        ("target", "expected keys with values"),
        ("target: !!python/object:os.system x", "could not determine a constructor"),
        ("? [a]\n: b", "a key must be text"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("x: " + "y" * 70_000, "larger than 64 KB"),
        ("[" * 5_000, ""),
        ("a: \x00", "not allowed"),
    ],
)
def test_unreadable_documents(text: str, said: str) -> None:
    assert said in "\n".join(mistakes(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("problem: regression\nevaluation: {metric: auc}", "accepted for a regression problem is rmse, mae, r2"),
        ("problem: regression\npositive_class: x", "only a binary problem has one"),
        ("target: a\nid_column: a", "which is the target"),
        ("evaluation: {minimum: 3}", "needs evaluation.metric"),
        ("endpoint: {instance: ml.m5.large, serverless: {memory_mb: 1024}}", "exclude each other"),
        ("endpoint: {min: 3}", "min needs instance"),
        ("algorithm: {hyperparameters: {eta: 0.1, learning_rate: 0.2}}", "the same as eta"),
        ("problem: clustering", "accepted for xgboost is binary, multiclass, regression"),
        ("problem: clustering", "is what kmeans solves"),
        ("algorithm: {name: kmeans}\ntarget: x", "target: given 'x'; kmeans learns from no target"),
        (
            "algorithm: {name: factorization-machines}\nproblem: multiclass",
            "accepted for factorization-machines is binary",
        ),
        ("algorithm: {name: pca, hyperparameters: {objective: x}}", "no hyperparameter of PCA"),
        ("algorithm: {name: kmeans, hyperparameters: {kk: 3}}", "did you mean k?"),
        ("algorithm: {name: kmeans, hyperparameters: {feature_dim: 3}}", "it is the number of encoded features"),
        ("algorithm: {name: kmeans, hyperparameters: {k: 0}}", "accepted is a whole number at least 1"),
        ("algorithm: {name: randomcutforest, hyperparameters: {num_trees: 20}}", "at least 50 and at most 1000"),
        ("algorithm: {name: linear-learner, hyperparameters: {wd: -1}}", "a number at least 0, or auto"),
        ("algorithm: {name: linear-learner, hyperparameters: {loss: hinge_loss}}\nproblem: binary", "auto, logistic"),
        ("algorithm: {name: kmeans, version: 3.0-5}", "accepted for kmeans is 1"),
        ("algorithm: {name: kmeans}\nevaluation: {metric: auc}", "accepted for kmeans is silhouette, mean_distance"),
        ("algorithm: {name: knn}\ntraining: {spot: true, max_runtime: 2h}", "with spot accepted is at most 60m"),
        ("algorithm: {hyperparameters: {max_depth: 2.5}}", "a whole number at least 0"),
        ("algorithm: {hyperparameters: {subsample: 0}}", "above 0 and at most 1"),
        ("algorithm: {hyperparameters: {monotone_constraints: '(1,0)'}}", "needs tree_method"),
        ("algorithm: {hyperparameters: {eval_metric: 'auc,foo'}}", "comma-separated list"),
        ("algorithm: {hyperparameters: {eta: .nan}}", "a number at least 0"),
        ("problem: multiclass\nalgorithm: {hyperparameters: {objective: 'reg:squarederror'}}", "multi:softprob"),
        ("target: ''", "text that is not empty"),
    ],
)
def test_single_mistakes(text: str, said: str) -> None:
    found = mistakes(text)
    assert len(found) == 1 and said in found[0]


def test_fingerprints_follow_what_they_stand_for() -> None:
    base = ModelSettings()
    other_split = parse_settings("split: {holdout: 0.2}")
    other_eta = parse_settings("algorithm: {hyperparameters: {eta: 0.3}}")
    other_endpoint = parse_settings("endpoint: {instance: ml.m5.large}")
    assert base.preparation_fingerprint() == ModelSettings().preparation_fingerprint()
    assert base.preparation_fingerprint() != other_split.preparation_fingerprint()
    assert base.preparation_fingerprint() == other_eta.preparation_fingerprint()
    assert base.training_fingerprint() != other_eta.training_fingerprint()
    assert base.training_fingerprint() == other_endpoint.training_fingerprint()
    assert base.preparation_fingerprint() == other_endpoint.preparation_fingerprint()


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (BINARY, {"objective": "binary:logistic", "eval_metric": "auc,logloss"}),
        (Problem("multiclass", ("a", "b", "c")), {"objective": "multi:softprob", "num_class": "3"}),
        (Problem("regression"), {"objective": "reg:squarederror", "eval_metric": "rmse"}),
    ],
)
def test_hyperparameters_by_problem(problem: Problem, expected: dict[str, str]) -> None:
    chosen = algorithms.of(ModelSettings()).hyperparameters(ModelSettings(), problem, {}, 2)
    assert expected.items() <= chosen.items()
    assert all(isinstance(value, str) for value in chosen.values())
    assert int(chosen["num_round"]) >= 1


def test_the_users_hyperparameters_win() -> None:
    settings = parse_settings(
        "algorithm: {hyperparameters: {learning_rate: 0.3, num_round: 7, eval_metric: [auc, error]}}"
    )
    chosen = algorithms.of(settings).hyperparameters(settings, BINARY, {}, 2)
    assert (chosen["eta"], chosen["num_round"], chosen["eval_metric"]) == ("0.3", "7", "auc,error")
    assert "learning_rate" not in chosen


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86400)])
def test_durations(text: str, seconds: int) -> None:
    assert duration_seconds(text) == seconds
