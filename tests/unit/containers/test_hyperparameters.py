"""The built-in's hyperparameter table: what is taken, what is refused and in which words."""

from __future__ import annotations

import pytest

from local_region.containers.common.errors import UserError
from local_region.containers.xgboost.hyperparameters import PARAMETERS, is_maximized, split_metrics, validate


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Missing required hyperparameter: num_round"),
        ({"num_round": "0"}, "Hyperparameter num_round: 0 is not in [1, +inf)"),
        ({"num_round": "1.5"}, "Hyperparameter num_round: could not parse value"),
        ({"num_round": "1", "nmu_round": "2"}, "Extraneous hyperparameter found: nmu_round"),
        ({"num_round": "1", "subsample": "0"}, "Hyperparameter subsample: 0.0 is not in (0, 1]"),
        ({"num_round": "1", "learning_rate": "1.1"}, "Hyperparameter eta: 1.1 is not in [0, 1]"),
        ({"num_round": "1", "alpha": "nan"}, "Hyperparameter alpha: nan is not in [0, +inf)"),
        ({"num_round": "1", "booster": "gbt"}, "Hyperparameter booster: gbt is not in ['gbtree', 'gblinear', 'dart']"),
        ({"num_round": "1", "objective": "multi:softmax"}, "Require input for parameter 'num_class'"),
        ({"num_round": "1", "num_class": "3"}, "Do not need to setup parameter 'num_class'"),
        ({"num_round": "1", "eval_metric": "auc"}, "Metric 'auc' can only be applied for classification"),
        ({"num_round": "1", "eval_metric": "rmse,nope"}, "Hyperparameter eval_metric: value ['rmse', 'nope']"),
        ({"num_round": "1", "eval_metric": "rmse@1"}, "Metric 'rmse@1' is not supported"),
        ({"num_round": "1", "eval_metric": "error@x"}, "Threshold value 't' in 'error@t' expects float input."),
        ({"num_round": "1", "monotone_constraints": "(1,-1)"}, "monotone_constraints can be used only when"),
        ({"num_round": "1", "monotone_constraints": "(2,)", "tree_method": "hist"}, "not in range [-1, 0, 1]"),
        ({"num_round": "1", "monotone_constraints": "__import__('os')"}, "could not parse value"),
        ({"num_round": "1", "interaction_constraints": "[1]", "tree_method": "hist"}, "lists of column indexes"),
        ({"num_round": "1", "updater": "grow_colmaker,grow_histmaker"}, "Only one tree grow plugin"),
        ({"num_round": "1", "updater": "shotgun"}, "Tree updater should be selected"),
        ({"num_round": "1", "updater": "prune", "booster": "gblinear"}, "Linear updater should be one of"),
        ({"num_round": "1", "tree_method": "gpu_hist"}, "no GPU"),
        ({"num_round": "1", "_kfold": "1"}, "Hyperparameter _kfold: 1 is not in [2, +inf)"),
    ],
)
def test_what_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        validate(given)
    assert message in str(caught.value)


def test_what_is_taken() -> None:
    values = validate(
        {
            "num_round": "10",
            "reg_lambda": "2",
            "tree_method": "hist",
            "monotone_constraints": "(1, 0, -1)",
            "interaction_constraints": "[[0, 1], [2]]",
            "objective": "binary:logistic",
            "eval_metric": "auc, error@0.3",
        }
    )
    assert values["lambda"] == 2.0
    assert values["monotone_constraints"] == (1, 0, -1)
    assert values["interaction_constraints"] == [[0, 1], [2]]
    assert values["eval_metric"] == ["auc", "error@0.3"]
    assert len(PARAMETERS) == 53  # as many as the container declares


def test_metrics_are_split_between_xgboost_and_us() -> None:
    values = validate({"num_round": "1", "eval_metric": "rmse,r2", "_tuning_objective_metric": "validation:mae"})
    assert split_metrics(values) == (["mae", "rmse"], ["r2"], "mae")
    assert split_metrics({}) == ([], [], None)
    assert is_maximized("auc")
    assert not is_maximized("error@0.3")
