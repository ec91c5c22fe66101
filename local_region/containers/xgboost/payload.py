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

from local_region.containers.xgboost.content import parse_header
from local_region.containers.xgboost.errors import UserError
from local_region.containers.xgboost.tables import DELIMITERS, explain_csv, parse_block

Array = npt.NDArray[Any]
ACCEPTED = ("application/json", "application/jsonlines", "text/csv")


class NotAcceptable(Exception):
    """An ``Accept`` that there is no encoder for: 406."""


class Rows:
    """Parsed rows: a dense matrix, or LIBSVM cells that become a CSR matrix of the model's width."""

    def __init__(self, dense: Array | None, cells: tuple[list[float], list[int], list[int]] | None = None) -> None:
        self._dense, self._cells = dense, cells
        self.sparse = cells is not None
        self.columns: int = dense.shape[1] if dense is not None else max(cells[1], default=-1) + 1 if cells else 0

    def matrix(self, width: int) -> Any:
        if self._dense is not None:
            return self._dense
        from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

        values, columns, ends = self._cells or ([], [], [0])
        return csr_matrix((np.array(values, dtype=np.float32), columns, ends), shape=(len(ends) - 1, width))


def parse_csv(body: bytes) -> Rows:
    """Numbers; empty cells are missing. ``UserError`` names the line and the cell."""
    text = body.strip(b"\r\n")
    if not text.strip():
        raise UserError("The request holds no row.")
    end = text.find(b"\n")
    first = text if end < 0 else text[:end]
    delimiter = next((d for d in DELIMITERS if d in first.strip()), b",")
    try:
        if end < 0:  # one row: the case that must be fast
            cells = first.split(delimiter) if delimiter != b" " else first.split()
            numbers = [float(cell or b"nan") for cell in cells]
            dense = np.array([numbers], dtype=np.float32)
            if b"_" in text or (not math.isfinite(sum(numbers)) and np.isinf(dense).any()):
                raise ValueError  # float() takes 1_000, which no other reader of the data does
            return Rows(dense)
        dense = parse_block(text, delimiter)
        if np.isinf(dense).any():
            raise ValueError
    except ValueError:
        columns = len(first.split(delimiter if delimiter != b" " else None))
        raise explain_csv(text.split(b"\n"), 1, delimiter, columns, "request") from None
    return Rows(dense)


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


def choose_accept(header: str, default: str) -> str:
    """The answer's type; none or ``*/*`` is the default."""
    accept = parse_header(header)[0] if header else ""
    if accept in ("", "*/*"):
        return default
    if accept not in ACCEPTED:
        known = " (recordio-protobuf is not written by the local region)" if "recordio" in accept else ""
        raise NotAcceptable(
            f"Accept type {accept} is not supported{known}. Please use supported accept types: {', '.join(ACCEPTED)}."
        )
    return accept


def encode(predictions: Array, accept: str, batch: bool) -> bytes:
    """CSV: a line a row, classes separated by commas. In a batch job, whatever the type: a line a row,
    several values as a list in brackets, which is what the built-in answers there."""
    values = predictions.tolist()
    if batch:
        return ("\n".join(map(str, values)) + "\n").encode()
    if accept == "text/csv":
        if predictions.ndim > 1:
            return ("\n".join(",".join(map(repr, row)) for row in values) + "\n").encode()
        return ("\n".join(map(repr, values)) + "\n").encode()
    scores = [{"score": value} for value in values]
    if accept == "application/json":
        return json.dumps({"predictions": scores}).encode()
    return "".join(json.dumps(score) + "\n" for score in scores).encode()
