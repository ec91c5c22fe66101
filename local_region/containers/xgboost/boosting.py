"""The fit itself: matrices, rounds, metric lines, early stopping, cross validation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

from local_region.containers.common import tables
from local_region.containers.common.errors import AlgorithmError, UserError
from local_region.containers.common.hosts import Cluster
from local_region.containers.common.kept import KEPT, ONCE
from local_region.containers.xgboost import distributed
from local_region.containers.xgboost.content import Kind
from local_region.containers.xgboost.folds import HeldOut, folds
from local_region.containers.xgboost.hyperparameters import DEFAULT_OBJECTIVE, is_maximized, split_metrics
from local_region.containers.xgboost.metrics import custom_metric
from local_region.containers.xgboost.train import customer_error

MODEL_NAME = "xgboost-model"
#: hyperparameters of the container, not of XGBoost
OWN = frozenset({
    "num_round", "csv_weights", "early_stopping_rounds", "_kfold", "_num_cv_round", "_tuning_objective_metric",
    "eval_metric", "use_dask_gpu_training", "dsplit", "predictor", "sketch_eps", "prob_buffer_row",
    "deterministic_histogram", "lambda_bias",
})  # fmt: skip


def save(booster: xgb.Booster, path: Path) -> None:
    """Write atomically: a process that is ended while saving leaves the model before."""
    part = path.with_name("." + path.name)
    part.write_bytes(booster.save_raw(raw_format="ubj"))
    part.replace(path)


class MetricLines(xgb.callback.TrainingCallback):
    """One line a round, in the form that the algorithm's metric definitions read."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        del model
        print(metric_line(epoch, {d: {m: v[-1] for m, v in log.items()} for d, log in evals_log.items()}), flush=True)
        return False


class KeepModel(xgb.callback.TrainingCallback):
    """``save_model_on_termination``: the model so far, after every round."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        del epoch, evals_log
        save(model, self._path)
        return False


def metric_line(number: int, values: dict[str, dict[str, float]]) -> str:
    """``[3]\\ttrain-rmse:0.10000\\tvalidation-rmse:0.20000``; SageMaker's logs show the tab as ``#011``."""
    cells = (f"\t{data}-{metric}:{value:.5f}" for data, metrics in values.items() for metric, value in metrics.items())
    return f"[{number}]" + "".join(cells)


def check_labels(labels: tables.Floats, objective: str, classes: int | None) -> None:
    """What XGBoost itself would only say of its own intermediate values (``base_score``), or not at all."""
    low, high = float(labels.min()), float(labels.max())
    if objective.startswith("binary:") or objective == "reg:logistic":
        if low < 0 or high > 1:
            raise UserError(f"label must be in [0,1] for logistic regression; the labels go from {low:g} to {high:g}")
    elif objective.startswith("multi:"):
        whole = bool((labels == labels.round()).all())
        if low < 0 or high >= (classes or 0) or not whole:
            raise UserError(
                f"label must be in [0, num_class), a whole number; num_class is {classes}, "
                f"the labels go from {low:g} to {high:g}"
            )
    elif objective in ("count:poisson", "reg:tweedie") and low < 0:
        raise UserError(f"label must be nonnegative for {objective}; the least is {low:g}")


def _csr(table: tables.Table) -> Any:
    if not isinstance(table.features, tuple):
        return table.features
    from scipy.sparse import csr_matrix

    data, indices, indptr, width = table.features
    return csr_matrix((data, indices, indptr), shape=(table.rows, width))


def _width(table: tables.Table) -> int:
    return int(table.features[3] if isinstance(table.features, tuple) else table.features.shape[1])


class Job:
    """One training job, its hyperparameters already checked."""

    def __init__(
        self, values: dict[str, Any], kind: Kind, base: Path, channels: Sequence[str], keep: bool, cluster: Cluster
    ) -> None:
        self._values, self._kind, self._base, self._channels, self._keep = values, kind, base, channels, keep
        self._cluster = cluster
        self._objective: str = values.get("objective", DEFAULT_OBJECTIVE)
        own, custom, self._watched = split_metrics(values)
        self._params = {name: value for name, value in values.items() if name not in OWN}
        if "updater" in self._params:
            self._params["updater"] = ",".join(self._params["updater"])
        if own:
            self._params["eval_metric"] = own
        self._custom = custom_metric(custom, self._objective) if custom else None
        if cluster.several:
            distributed.check(values)
        if cluster.several or "OMP_NUM_THREADS" in os.environ:
            self._params.setdefault("nthread", distributed.threads())

    def run(self) -> None:
        try:
            if "_kfold" in self._values:
                self._cross_validate()
            else:
                self._fit()
        except (xgb.core.XGBoostError, ValueError) as error:
            message = str(error).partition("\nStack trace")[0].strip()
            if customer_error(message):
                raise UserError(message) from error
            raise AlgorithmError(f"XGB train call failed with exception:\n {message}") from error

    def _read(self, channels: Sequence[str], may_be_empty: bool = False) -> tables.Table | None:
        files = []
        for channel in channels:
            found = tables.data_files(self._base / "input/data" / channel)
            if not found and not may_be_empty:
                kind = "training" if channel == "train" else channel
                raise UserError(f"No data in {kind} channel path {self._base / 'input/data' / channel}")
            files += found
        if not files:
            return None
        how = (self._kind, self._values.get("csv_weights") == 1)
        table, kept = KEPT.read(how, files, lambda: self._table(files))
        if table.rows == 0:
            raise UserError("Got input data without labels. Please check the input data set.")
        check_labels(table.labels, self._objective, self._values.get("num_class"))
        once = ONCE if kept else ""
        print(f"Read {table.rows} rows from {len(files)} file(s) of {' and '.join(channels)}{once}", flush=True)
        return table

    def _table(self, files: list[Path]) -> tables.Table:
        if self._kind == "csv":
            return tables.read_csv(files, self._values.get("csv_weights") == 1)
        if self._kind == "libsvm":
            return tables.read_libsvm(files)
        features, labels = tables.read_recordio(files)
        if labels is None:
            raise UserError("Got input data without labels. Please check the input data set.")
        return tables.Table(features, labels)

    def _matrix(self, table: tables.Table, like: xgb.DMatrix | None = None, columns: int = 0) -> xgb.DMatrix:
        """A DMatrix; quantized at once where only histograms are needed: a byte a cell instead of eight."""
        of = (table, like, columns, self._quantized(), self._bins)
        return KEPT.made(of, lambda: self._new_matrix(table, like, columns))

    @property
    def _bins(self) -> int:
        return int(self._params.get("max_bin") or 256)

    def _new_matrix(self, table: tables.Table, like: xgb.DMatrix | None, columns: int) -> xgb.DMatrix:
        keywords: dict[str, Any] = {"label": table.labels, "weight": table.weights, "qid": table.groups}
        keywords["nthread"] = self._params.get("nthread")  # else jobs side by side wait for each other's cores
        if not isinstance(table.features, np.ndarray):
            sparse = _csr(table)
            sparse.resize((table.rows, max(sparse.shape[1], columns)))
            return xgb.DMatrix(sparse, **keywords)
        if self._quantized():
            return xgb.QuantileDMatrix(table.features, ref=like, max_bin=self._bins, **keywords)
        return xgb.DMatrix(table.features, **keywords)

    def _quantized(self) -> bool:
        values = self._values
        return (
            values.get("tree_method", "auto") in ("auto", "hist")
            and values.get("booster", "gbtree") == "gbtree"
            and not {"updater", "process_type", "_kfold"} & set(values)
        )

    def _fit(self) -> None:
        table = self._read(["train"], may_be_empty=self._cluster.several)
        with distributed.joined(self._cluster, table is not None) as member:
            if table is not None:
                self._fit_table(table, member)

    def load(self) -> None:
        """Read the channels and make their matrices, for processes that are forked from this one."""
        self._params["nthread"] = 1  # OpenMP's other threads would not be there after the fork
        with KEPT.keeping():
            if "_kfold" in self._values:
                self._folded()
            elif (table := self._read(["train"])) is not None:
                self._matrices(table, distributed.Member())

    def _matrices(self, table: tables.Table, member: distributed.Member) -> list[tuple[xgb.DMatrix, str]]:
        """Of the train channel, and of the validation channel if there is one."""
        train = self._matrix(table, columns=member.width(_width(table), isinstance(table.features, np.ndarray)))
        evals = [(train, "train")]
        if "validation" in self._channels:
            validated = self._read(["validation"])
            if validated is None:
                raise UserError("No data in validation channel")
            validation = self._matrix(validated, train, train.num_col())
            if validation.num_col() != train.num_col():
                raise UserError(
                    f"The validation channel has {validation.num_col()} features, the train channel {train.num_col()}."
                )
            evals.append((validation, "validation"))
        return evals

    def _fit_table(self, table: tables.Table, member: distributed.Member) -> None:
        evals = self._matrices(table, member)
        path = self._base / "model" / MODEL_NAME
        booster = self._boost(evals[0][0], evals, path, speaks=member.first)
        if member.first:
            save(booster, path)

    def _boost(
        self,
        train: xgb.DMatrix,
        evals: list[tuple[xgb.DMatrix, str]],
        path: Path,
        results: Any = None,
        speaks: bool = True,
    ) -> Any:
        callbacks: list[xgb.callback.TrainingCallback] = [MetricLines()] if speaks else []
        if self._keep and speaks:
            callbacks.append(KeepModel(path))
        if stop := self._early_stopping(len(evals) > 1):
            callbacks.append(stop)
        return xgb.train(
            self._params,
            train,
            num_boost_round=self._values["num_round"],
            evals=evals,
            custom_metric=self._custom,
            callbacks=callbacks,
            evals_result=results,
            verbose_eval=False,
        )

    def _early_stopping(self, validated: bool) -> xgb.callback.EarlyStopping | None:
        """As in the built-in, it takes a validation channel and a named metric; else a line says why not."""
        rounds = self._values.get("early_stopping_rounds")
        if not rounds:
            return None
        if not validated or self._watched is None:
            print("early_stopping_rounds has no effect without a validation channel and an eval_metric", flush=True)
            return None
        return xgb.callback.EarlyStopping(
            rounds=rounds,
            data_name="validation",
            metric_name=self._watched,
            maximize=is_maximized(self._watched),
            save_best=self._params.get("booster") != "gblinear",  # a linear model can't be cut back to a round
        )

    def _folded(self) -> tuple[tables.Table, xgb.DMatrix]:
        """What cross validation divides: the rows of all channels."""
        count, table = self._values["_kfold"], self._read(self._channels)
        if table is None or table.rows < count:
            raise UserError(f"_kfold={count} takes at least {count} rows; there are {table.rows if table else 0}.")
        return table, self._matrix(table)

    def _cross_validate(self) -> None:
        count, rounds = self._values["_kfold"], self._values.get("_num_cv_round", 1)
        table, whole = self._folded()
        classes = self._objective.startswith(("binary:", "multi:"))
        held_out = HeldOut(table.labels, rounds, classes)
        dealt = folds(table.labels, count, rounds, classes, self._values.get("seed", 0))
        logs: list[dict[str, dict[str, list[float]]]] = []
        print(f"Run {rounds}-round of {count}-fold cross validation with {table.rows} rows", flush=True)
        for fold, (kept, rest) in enumerate(dealt):
            print(f"Train cross validation fold {fold % count + 1}", flush=True)
            train, validation = whole.slice(kept), whole.slice(rest)
            path = self._base / "model" / f"{MODEL_NAME}-{fold}"
            results: dict[str, dict[str, list[float]]] = {}
            booster = self._boost(train, [(train, "train"), (validation, "validation")], path, results)
            save(booster, path)
            logs.append(results)
            held_out.record(rest, booster.predict(validation))
            if (fold + 1) % count == 0:
                print(f"The metrics of round {(fold + 1) // count} cross validation", flush=True)
                self._print_mean(logs[-count:])
        if rounds > 1:
            print(f"The overall metrics of {rounds}-round cross validation", flush=True)
            self._print_mean(logs)
        held_out.save(self._base / "output/data/predictions.csv")

    def _print_mean(self, logs: list[dict[str, dict[str, list[float]]]]) -> None:
        mean = {
            data: {metric: float(np.mean([log[data][metric][-1] for log in logs])) for metric in logs[0][data]}
            for data in logs[0]
        }
        print(metric_line(self._values["num_round"], mean), flush=True)
