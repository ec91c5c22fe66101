"""From the local region's ``model_algo-1`` of the linear learner to a document (numpy).

The region writes numpy's npz of plain arrays and one JSON text (``about.json``). SageMaker's own linear learner writes
what MXNet writes, in a layout that AWS documents nowhere: it is refused, and such a version waits for its endpoint.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

from sluicegate.domain.local_models import FORMAT, NoLocalModel
from sluicegate.domain.local_models.packing import pack

MOST_WEIGHTS = 500_000
_NOT_READ = "AWS documents no layout for what its linear learner writes, so it is not read here"
_LINKS = {
    ("binary_classifier", "logistic"): "wide-logistic",
    ("multiclass_classifier", "softmax_loss"): "wide-softmax",
}


def document(content: bytes) -> dict[str, Any]:
    """``NoLocalModel``."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if not {"weight.npy", "bias.npy", "about.json.npy"} <= set(archive.namelist()):
                raise NoLocalModel(_NOT_READ)
            if sum(member.file_size for member in archive.infolist()) > 16 * MOST_WEIGHTS:
                raise NoLocalModel(f"the model is too large: at most {MOST_WEIGHTS:,} weights")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            weight, bias = stored["weight"].astype(np.float64), stored["bias"].astype(np.float64)
            about = json.loads(str(stored["about.json"]))
        kind, loss = about["predictor_type"], about["loss"]
        if weight.shape != (len(bias), about["feature_dim"]):
            raise ValueError("weight is not outputs × feature_dim")
    except NoLocalModel:
        raise
    except zipfile.BadZipFile as error:
        raise NoLocalModel(_NOT_READ) from error
    except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
        raise NoLocalModel(f"the model's file can't be read ({type(error).__name__}: {error})") from error
    link = "identity" if kind == "regressor" else _LINKS.get((kind, loss))
    if link is None:
        raise NoLocalModel(f"scores of {loss} are no probabilities")
    member = {
        "precision": "double",
        "weights": pack("d", weight.ravel().tolist()),
        "bias": [float(value) for value in bias],
    }
    return {"format": FORMAT, "kind": "linear", "link": link, "width": int(weight.shape[1]), "members": [member]}
