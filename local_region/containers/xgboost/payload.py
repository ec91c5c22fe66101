"""Requests to rows, predictions to answers: the built-in server's formats.

CSV requests have no header and no label. Answers: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
and, where that is silent, aws/sagemaker-xgboost-container's ``algorithm_mode/serve.py``.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from local_region.containers.common import recordio
from local_region.containers.common.content import CSV, JSON, JSON_LINES, RECORDIO
from local_region.containers.common.errors import UserError
from local_region.containers.common.tables import parse_rows
from local_region.containers.xgboost.content import Kind

Array = npt.NDArray[Any]
ACCEPTED = (JSON, JSON_LINES, CSV, RECORDIO)


class Rows:
    """Parsed rows: a matrix, dense or CSR, or LIBSVM cells that become a CSR matrix of the model's width."""

    def __init__(self, matrix: Any, cells: tuple[list[float], list[int], list[int]] | None = None) -> None:
        self._matrix, self._cells = matrix, cells
        self.sparse = not isinstance(matrix, np.ndarray)
        self.columns: int = matrix.shape[1] if matrix is not None else max(cells[1], default=-1) + 1 if cells else 0

    def matrix(self, width: int) -> Any:
        if self._matrix is not None:
            if self._matrix.shape[1] < width:
                self._matrix.resize((self._matrix.shape[0], width))
            return self._matrix
        from scipy.sparse import csr_matrix

        values, columns, ends = self._cells or ([], [], [0])
        return csr_matrix((np.array(values, dtype=np.float32), columns, ends), shape=(len(ends) - 1, width))


def parse(body: bytes, kind: Kind) -> Rows:
    """``UserError`` says what can't be read."""
    if kind == "csv":
        return Rows(parse_rows(body))
    if kind == "recordio":
        return Rows(recordio.read(body, "The request").features)
    return parse_libsvm(body)


def parse_libsvm(body: bytes) -> Rows:
    """``[label] index:value …`` a line; indexes count from 0, as they do in training."""
    values: list[float] = []
    columns: list[int] = []
    ends = [0]
    for number, line in enumerate(body.strip(b"\r\n").split(b"\n"), 1):
        for token in line.split():
            index, colon, value = token.partition(b":")
            if not colon:
                continue  # a label
            try:
                columns.append(int(index))
                values.append(float(value))
            except ValueError:
                raise UserError(
                    f"Line {number}: '{token[:50].decode('utf-8', 'replace')}' is not <index>:<value>."
                ) from None
            if columns[-1] < 0 or not math.isfinite(values[-1]):
                raise UserError(f"Line {number}: '{token[:50].decode()}' has a negative index or an infinite value.")
        ends.append(len(values))
    return Rows(None, (values, columns, ends))


def encode(predictions: Array, accept: str, batch: bool) -> bytes:
    """CSV: a line a row, classes separated by commas. In a batch job, whatever the type of text: a line a row,
    several values as a list in brackets, which is what the built-in answers there."""
    values = predictions.tolist()
    if accept == RECORDIO:
        return b"".join(recordio.encode_answer({"score": value}) for value in values)
    if batch:
        return ("\n".join(map(str, values)) + "\n").encode()
    if accept == CSV:
        if predictions.ndim > 1:
            return ("\n".join(",".join(map(repr, row)) for row in values) + "\n").encode()
        return ("\n".join(map(repr, values)) + "\n").encode()
    scores = [{"score": value} for value in values]
    if accept == JSON:
        return json.dumps({"predictions": scores}).encode()
    return "".join(json.dumps(score) + "\n" for score in scores).encode()
