"""A built-in's inference server: its formats in both directions.

https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html and each algorithm's page "… Response Formats".
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from local_region.containers.builtin import artifact
from local_region.containers.builtin.algorithm import Algorithm, Array, Model
from local_region.containers.common import recordio, serving
from local_region.containers.common.content import CSV, JSON, JSON_LINES, RECORDIO, parse_header
from local_region.containers.common.errors import UnknownType, UserError
from local_region.containers.common.http import Answer
from local_region.containers.common.tables import parse_rows

#: features that a row of keys may claim: as many as a sparse matrix's index counts
_WIDEST = 2**31 - 1


def entry(algorithm: Algorithm) -> Callable[[Sequence[str]], int]:
    """``serve`` of a module."""
    return lambda argv: serving.run(functools.partial(_load, algorithm))  # noqa: ARG005


def _load(algorithm: Algorithm, folder: Path, environ: Mapping[str, str]) -> Scoring:
    return Scoring(algorithm, artifact.load(folder, algorithm), environ)


class Scoring(serving.Scoring):
    def __init__(self, algorithm: Algorithm, model: Model, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self._algorithm, self._model = algorithm, model
        self._accepted = (JSON, JSON_LINES, RECORDIO, *([CSV] if algorithm.csv_answers else []))

    def invoke(self, body: bytes, content_type: str, accept: str) -> Answer:
        features = fitted(self._read(body, content_type), self._model.width)
        chosen = self.accepted(accept, self._accepted)
        verbose = parse_header(accept)[1].get("verbose") == "true"
        fields = self._model.details(features) if verbose else self._model.answer(features)
        return Answer(200, encode(fields, chosen, self._algorithm.answers), chosen.encode())

    def _read(self, body: bytes, content_type: str) -> Any:
        name, parameters = parse_header(content_type)
        if name == CSV and self._algorithm.csv_requests:
            if parameters.get("label_size", "0") != "0":
                raise UserError("A request has no label column: label_size must be 0.")
            return parse_rows(body, missing=False)
        if name == JSON:
            return from_json(body, self._model.width)
        if name == JSON_LINES:
            return from_json_lines(body, self._model.width)
        if name == RECORDIO:
            return recordio.read(body, "The request", self._algorithm.only_float32).features
        known = [*([CSV] if self._algorithm.csv_requests else []), JSON, JSON_LINES, RECORDIO]
        raise UnknownType(f"{content_type} is not an accepted ContentType: {', '.join(known)}.")


def fitted(features: Any, width: int) -> Any:
    """The rows as wide as the model. ``UserError`` when they are not, or are not numbers."""
    sparse = not isinstance(features, np.ndarray)
    if sparse and features.shape[1] < width:
        features.resize((features.shape[0], width))
    if features.shape[1] != width:
        raise UserError(f"The rows have {features.shape[1]} features, the model was trained on {width}.")
    if not np.isfinite(features.data if sparse else features).all():
        raise UserError("The rows have values that are missing or infinite; this algorithm takes none.")
    return features


def from_json(body: bytes, width: int) -> Any:
    """``{"instances": […]}``."""
    content = _parsed(body, "The request")
    instances = content.get("instances") if isinstance(content, dict) else None
    if not isinstance(instances, list) or not instances:
        raise UserError('The request must be {"instances": [{"features": [numbers]}, …]}.')
    return rows(instances, width)


def from_json_lines(body: bytes, width: int) -> Any:
    lines = [line for line in body.splitlines() if line.strip()]
    if not lines:
        raise UserError("The request has no lines.")
    return rows([_parsed(line, f"Line {number}") for number, line in enumerate(lines, 1)], width)


def _parsed(text: bytes, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{what} is not JSON: {error}") from None


def rows(instances: Sequence[Any], width: int) -> Any:
    """Instances in any documented form: a matrix, CSR when one of them has keys."""
    vectors = [_vector(instance, number) for number, instance in enumerate(instances, 1)]
    if not any(isinstance(vector, dict) for vector in vectors):
        for number, vector in enumerate(vectors, 1):
            if len(vector) != len(vectors[0]):
                raise UserError(f"Instance {number} has {len(vector)} features, the first has {len(vectors[0])}.")
        return _numbers(vectors, "The instances", 2)
    from scipy.sparse import vstack

    parts = [_sparse(vector, width, number) for number, vector in enumerate(vectors, 1)]
    for part in parts:
        part.resize((1, max(each.shape[1] for each in parts)))
    return vstack(parts, format="csr")


def _vector(instance: Any, number: int) -> Any:
    """A list of numbers, or a dict with ``keys``."""
    found = instance
    if isinstance(found, dict) and "data" in found:
        found = found["data"]
    if isinstance(found, dict) and "features" in found:
        found = found["features"]
    if isinstance(found, dict) and "values" in found and not found.get("keys"):
        found = found["values"]
    if isinstance(found, list) or (isinstance(found, dict) and "keys" in found and "values" in found):
        return found
    raise UserError(
        f'Instance {number} must be {{"features": [numbers]}} or '
        '{"data": {"features": {"values": [numbers], "keys"?: [numbers], "shape"?: [number]}}}.'
    )


def _numbers(values: Any, what: str, dimensions: int) -> Array:
    try:
        found = np.array(values, dtype=np.float32)
    except (ValueError, TypeError, OverflowError):
        raise UserError(f"{what} must be lists of numbers.") from None
    if found.ndim != dimensions:
        raise UserError(f"{what} must be lists of numbers.")
    return found


def _sparse(vector: Any, width: int, number: int) -> Any:
    from scipy.sparse import csr_matrix

    if isinstance(vector, list):
        return csr_matrix(_numbers([vector], f"Instance {number}", 2))
    values = _numbers(vector["values"], f"Instance {number}: values", 1)
    keys, shape = vector["keys"], vector.get("shape") or [width]
    if not isinstance(shape, list) or not isinstance(shape[-1], int) or not 0 < shape[-1] <= _WIDEST:
        raise UserError(f"Instance {number}: shape must be a list whose last number is from 1 to {_WIDEST:,}.")
    sound = isinstance(keys, list) and all(isinstance(key, int) and 0 <= key < shape[-1] for key in keys)
    if not sound or len(keys) != len(values):
        raise UserError(f"Instance {number}: keys must be a place within shape {shape} for each of the values.")
    return csr_matrix((values, (np.zeros(len(keys), np.int64), keys)), shape=(1, int(shape[-1])))


def encode(fields: Mapping[str, Array], accept: str, key: str) -> bytes:
    """Columns to an answer of type ``accept``; ``key`` names the list in JSON."""
    names = list(fields)
    table = zip(*(column.tolist() for column in fields.values()), strict=True)
    if accept == CSV:
        return ("\n".join(",".join(map(repr, row)) for row in table) + "\n").encode()
    answers = [dict(zip(names, row, strict=True)) for row in table]
    if accept == RECORDIO:
        return b"".join(map(recordio.encode_answer, answers))
    if accept == JSON_LINES:
        return "".join(json.dumps(answer) + "\n" for answer in answers).encode()
    return json.dumps({key: answers}).encode()
