"""Loading ``xgboost-model`` files and predicting with them. Only XGBoost's own JSON and UBJSON are loaded: a pickle,
which older containers wrote, can run code when it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from local_region.containers.common.errors import UserError
from local_region.containers.xgboost.payload import Rows

Array = npt.NDArray[Any]
VOTED = ("multi:softmax", "binary:hinge")


def load(folder: Path, ensemble: bool = True) -> Model:
    """The model of every file in ``folder`` (several after ``_kfold``); dot files are ignored."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not files:
        raise UserError("The model archive holds no model file.")
    return Model([_load_one(path) for path in (files if ensemble else files[:1])])


def _load_one(path: Path) -> xgb.Booster:
    raw = path.read_bytes()
    if raw[:1] != b"{":
        pickled = raw[:1] == b"\x80"
        what = "a pickle, which is never loaded" if pickled else "neither UBJSON nor JSON"
        raise UserError(f"Model {path.name} cannot be loaded: it is {what}. Save it with Booster.save_model.")
    if not raw[-64:].rstrip().endswith(b"}"):  # XGBoost's UBJSON reader runs past the end of a file that is cut short
        raise UserError(f"Model {path.name} cannot be loaded: the file is cut short.")
    booster = xgb.Booster(params={"nthread": 1})
    try:
        booster.load_model(bytearray(raw))
    except xgb.core.XGBoostError as error:
        message = str(error).partition("\nStack trace")[0]
        raise UserError(f"Model {path.name} cannot be loaded: {message}") from error
    booster.set_param({"nthread": 1})
    return booster


class Model:
    """One booster, or the mean (or vote) of several."""

    def __init__(self, boosters: list[xgb.Booster]) -> None:
        self._boosters = boosters
        learner = json.loads(boosters[0].save_config())["learner"]
        self.objective: str = learner["objective"]["name"]
        self.num_class = int(learner["learner_model_param"].get("num_class", "0"))
        self.num_features: int = boosters[0].num_features()
        # in place, gblinear can't predict, and dart adds up in another order than the built-in's server, which does not
        self._in_place = learner["gradient_booster"]["name"] == "gbtree"
        if any(booster.num_features() != self.num_features for booster in boosters):
            raise UserError("The models of this archive were trained on different numbers of features.")

    def predict(self, rows: Rows) -> Array:
        """``UserError`` when the rows don't fit the model."""
        matrix = self._fit_columns(rows)
        outputs = [self._one(booster, matrix) for booster in self._boosters]
        if len(outputs) == 1:
            return outputs[0]
        if self.objective in VOTED:
            stacked = np.stack(outputs)
            values = np.unique(stacked)
            votes = np.stack([(stacked == value).sum(axis=0) for value in values])
            return np.asarray(values[votes.argmax(axis=0)])
        return np.asarray(np.mean(outputs, axis=0))

    def _fit_columns(self, rows: Rows) -> Any:
        width = rows.columns
        if width == self.num_features or (rows.sparse and width < self.num_features):
            return rows.matrix(self.num_features)
        raise UserError(
            f"Feature size of {'libsvm' if rows.sparse else 'csv'} inference data {width} is not consistent with "
            f"feature size of trained model {self.num_features}."
        )

    def _one(self, booster: xgb.Booster, matrix: Any) -> Array:
        if self._in_place:
            return np.asarray(booster.inplace_predict(matrix, validate_features=False))
        return np.asarray(booster.predict(xgb.DMatrix(matrix, nthread=1), validate_features=False))
