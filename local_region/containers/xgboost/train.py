"""Training of the built-in XGBoost. ``main`` is a process's entry point.

Reads ``input/config`` and ``input/data/<channel>`` under ``SAGEMAKER_BASE_DIR``; writes ``model/xgboost-model``
(UBJSON, which is what the true container's ``save_model`` writes and loads), ``output/data/predictions.csv`` when cross
validating, and ``output/failure``. Exit status: 0, 1 for a failure of the algorithm, 2 for the customer's.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from local_region.containers.common.errors import UserError
from local_region.containers.common.hosts import cluster
from local_region.containers.common.training import read_json, run
from local_region.containers.xgboost import COMPANIONS
from local_region.containers.xgboost.content import kind_of
from local_region.containers.xgboost.hyperparameters import validate
from local_region.hidden import hidden

if TYPE_CHECKING:
    from local_region.containers.xgboost import boosting

CHANNELS = ("train", "validation", "code")
#: parts of XGBoost's messages that say that the data or the settings are wrong, not the algorithm
CUSTOMER_ERRORS = (
    "label must be in [0,1]",
    "label must be in [0, num_class)",
    "label must be nonnegative",
    "label must be positive",
    "Target is multiclass but average='binary'",
    "feature_names mismatch",
    "preds.size() == info.labels",
    "the dataset only contains pos or neg samples",
    "base_score must be in (0,1)",
    "should be greater equal to 0",
    "Input data contains `inf`",
    "Invalid Parameter format",
    "value 0 for Parameter",
    "exceed bound",
)


def main(argv: Sequence[str]) -> int:
    """Train as the folder says. Returns the exit status."""
    del argv  # the container contract's "train" has no arguments
    with hidden(COMPANIONS):
        return run(train)


def load(argv: Sequence[str]) -> int:
    """Read the channels as the folder says, for the training processes that are forked from this one. Returns the exit
    status. The hyperparameters are those that all of them have; ``num_round`` may be missing."""
    del argv
    with hidden(COMPANIONS):
        return run(_load)


def check_channels(channels: Mapping[str, Mapping[str, Any]]) -> None:
    """Names and input modes; the data itself is looked at later."""
    if "train" not in channels:
        raise UserError("Missing required channel: train")
    for name, channel in channels.items():
        if name not in CHANNELS:
            raise UserError(f"Extraneous channel found: {name}")
        if channel.get("TrainingInputMode", "File") == "Pipe":
            raise UserError(f"Channel {name}: Pipe mode is no longer supported. Use File or FastFile mode.")
    if "code" in channels:
        raise UserError("Channel code (a training script of one's own) isn't supported by the local region's built-in.")


def train(base: Path) -> None:
    """Check everything that can be checked, read the channels, boost, save."""
    _job(base, read_json(base / "input/config/hyperparameters.json")).run()


def _load(base: Path) -> None:
    _job(base, {"num_round": "1", **read_json(base / "input/config/hyperparameters.json")}).load()


def _job(base: Path, hyperparameters: Mapping[str, str]) -> boosting.Job:
    values = validate(hyperparameters)
    channels = read_json(base / "input/config/inputdataconfig.json")
    check_channels(channels)
    kind = kind_of(channels["train"].get("ContentType"))
    # after the cheap checks: these imports take most of a second in a cold process
    from local_region.containers.xgboost import boosting

    model = base / "model"
    model.mkdir(parents=True, exist_ok=True)
    keep = values.pop("save_model_on_termination", "false") == "true"
    if keep:
        signal.signal(signal.SIGTERM, _end_now)
    names = [name for name in ("train", "validation") if name in channels]
    return boosting.Job(values, kind, base, names, keep, cluster(base))


def _end_now(_signal: int, _frame: FrameType | None) -> None:
    """The last whole model is in place already: it is replaced atomically after every round."""
    os._exit(0)


def customer_error(message: str) -> bool:
    return any(part in message for part in CUSTOMER_ERRORS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
