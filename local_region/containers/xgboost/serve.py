"""The built-in's inference server. ``main`` is a process's entry point.

Loads every model file of ``model/`` under ``SAGEMAKER_BASE_DIR`` (see ``common/serving.py``). Two answers are more
helpful than the built-in's own: rows that can't be parsed are 400 (there 415), and CSV with too few columns is 400
(there those are taken as missing values).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_region.containers.common import serving
from local_region.containers.common.errors import UnknownType, UserError
from local_region.containers.common.http import Answer
from local_region.containers.xgboost import COMPANIONS, selectable
from local_region.containers.xgboost.content import kind_of
from local_region.containers.xgboost.model import Model, load
from local_region.containers.xgboost.payload import ACCEPTED, encode, parse
from local_region.hidden import hidden

_TYPES = {"text/csv": b"text/csv; charset=utf-8"}


class Scoring(serving.Scoring):
    default_accept = "text/csv"

    def __init__(self, model: Model, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self._model = model
        self._selected = selectable.keys(environ.get("SAGEMAKER_INFERENCE_OUTPUT"))

    def invoke(self, body: bytes, content_type: str, accept: str) -> Answer:
        try:
            kind = kind_of(content_type)
        except UserError as error:
            raise UnknownType(str(error)) from error
        predictions = self._model.predict(parse(body, kind))
        chosen = self.accepted(accept, ACCEPTED)
        if self._selected:
            answer = selectable.encode(predictions, self._selected, self._model, chosen, self.batch)
        else:
            answer = encode(predictions, chosen, self.batch)
        return Answer(200, answer, _TYPES.get(chosen) or chosen.encode())


def _load(folder: Path, environ: Mapping[str, str]) -> Scoring:
    ensemble = environ.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true") == "true"
    return Scoring(load(folder, ensemble), environ)


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM. Exit status 1 when the model can't be loaded."""
    del argv  # the container contract's "serve" has no arguments
    with hidden(COMPANIONS):
        return serving.run(_load)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
