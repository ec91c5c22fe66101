"""The metrics that each built-in prints, and the expressions by which SageMaker reads them from its log.

Names: the pages "Tune a … Model" of the SageMaker Developer Guide, one for each algorithm. A definition is one
member of ``MetricDefinitions`` as DescribeTrainingJob shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from local_region.containers.xgboost.metrics import METRICS

Definition = Mapping[str, str]


def _definition(name: str, expression: str) -> Definition:
    return {"Name": name, "Regex": expression}


def _quality(channel: str, printed: str, kind: str, name: str = "", epoch: str = "") -> Definition:
    """``#quality_metric: host=algo-1, [epoch=0, ]train msd <loss>=0.1``."""
    when = rf"epoch=\S+, {channel}" if epoch else channel
    return _definition(
        f"{channel}:{name or printed}{epoch if epoch != 'epoch' else ''}",
        rf"#quality_metric: host=\S+, {when} {printed} <{kind}>=(\S+)",
    )


_PROGRESS = (
    _definition("train:progress", r"#progress_metric: host=\S+, completed (\S+) %"),
    _definition("train:throughput", r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"),
)


def _xgboost() -> Iterable[Definition]:
    for data in ("train", "validation"):
        for metric in sorted(METRICS):
            yield _definition(
                f"{data}:{metric}",
                rf".*\[[0-9]+\].*#011{data}-{metric}:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*",
            )


def _linear_learner() -> Iterable[Definition]:
    scores = {
        "binary_classification_accuracy": "binary_classification_accuracy",
        "binary_f_beta": r"binary_f_\S+",
        "precision": "precision",
        "recall": "recall",
        "roc_auc_score": "roc_auc_score",
        "multiclass_accuracy": "multiclass_accuracy",
        "multiclass_top_k_accuracy": r"multiclass_top_k_accuracy_\S+",
        "dcg": "dcg",
        "macro_recall": "macro_recall",
        "macro_precision": "macro_precision",
        "macro_f_beta": r"macro_f_\S+",
        "r2": "r2",
    }
    losses = {"mse": "mse", "absolute_loss": "absolute_loss", "rmse": "rmse", "mae": "mae"}
    for channel in ("train", "validation", "test"):
        for name, printed in scores.items():
            yield _quality(channel, printed, "score", name)
        for name, printed in losses.items():
            yield _quality(channel, printed, "loss", name)
        if channel == "test":
            yield _quality(channel, r"\S+_objective", "loss", "objective_loss")
        else:
            yield _quality(channel, r"\S+_objective", "loss", "objective_loss", epoch="epoch")
            yield _quality(channel, r"\S+_objective", "loss", "objective_loss:final")


def _factorization_machines() -> Iterable[Definition]:
    for channel in ("train", "test"):
        yield _quality(channel, "binary_classification_accuracy", "score")
        yield _quality(channel, "binary_classification_cross_entropy", "loss")
        yield _quality(channel, r"binary_f_\S+", "score", "binary_f_beta")
        for loss in ("rmse", "mse", "absolute_loss"):
            yield _quality(channel, loss, "loss")
    yield _quality("train", "binary_classification_accuracy", "score", epoch=":epoch")
    yield _quality("train", "binary_classification_cross_entropy", "loss", epoch=":epoch")
    yield _quality("train", "rmse", "loss", epoch=":epoch")


def _table() -> dict[str, Sequence[Definition]]:
    return {
        "xgboost": [*_xgboost()],
        "linear-learner": [*_PROGRESS, *_linear_learner()],
        "knn": [*_PROGRESS, _quality("test", "accuracy", "score"), _quality("test", "mse", "loss")],
        "kmeans": [*_PROGRESS, *(_quality(c, m, "loss") for c in ("train", "test") for m in ("msd", "ssd"))],
        "pca": [*_PROGRESS],
        "randomcutforest": [
            *_PROGRESS,
            *(_quality("test", metric, "score") for metric in ("accuracy", "precision", "recall", "f1")),
        ],
        "factorization-machines": [*_PROGRESS, *_factorization_machines()],
    }


BUILT_IN = _table()
