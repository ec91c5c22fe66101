"""A built-in container without its process: a folder as the platform lays it out, training and requests in place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from local_region.containers.builtin import artifact, training
from local_region.containers.builtin.algorithm import Algorithm
from local_region.containers.builtin.serving import Scoring
from local_region.containers.common import recordio
from local_region.containers.common.http import Request

CSV, RECORDIO = "text/csv", "application/x-recordio-protobuf"


def csv(labels: Any, features: Any) -> bytes:
    """Label first, if there are labels."""
    rows = features if labels is None else np.column_stack([labels, features])
    return "".join(",".join(f"{value:.9g}" for value in row) + "\n" for row in np.asarray(rows, float)).encode()


def records(labels: Any, features: Any) -> bytes:
    """recordio-protobuf, sparse when ``features`` is a scipy matrix."""
    out = []
    for at in range(features.shape[0]):
        label = None if labels is None else float(labels[at])
        if isinstance(features, np.ndarray):
            out.append(recordio.encode_features(features[at], label))
        else:
            row = features[at].tocsr()
            out.append(recordio.encode_features(row.data, label, row.indices, features.shape[1]))
    return b"".join(out)


def lay_out(
    base: Path,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, tuple[str, bytes | list[bytes]]],
    distribution: str = "FullyReplicated",
    hosts: tuple[str, ...] = ("algo-1",),
    current: str = "algo-1",
) -> Path:
    """``channels``: name → (content type, its file or files). ``distribution`` is the train channel's."""
    config = base / "input/config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    settings = {}
    for name, (content_type, content) in channels.items():
        settings[name] = {"TrainingInputMode": "File", "ContentType": content_type}
        settings[name]["S3DistributionType"] = distribution if name == "train" else "FullyReplicated"
        folder = base / "input/data" / name
        folder.mkdir(parents=True)
        for number, body in enumerate([content] if isinstance(content, bytes) else content):
            (folder / f"part-{number}").write_bytes(body)
    (config / "inputdataconfig.json").write_text(json.dumps(settings))
    (config / "resourceconfig.json").write_text(json.dumps({"hosts": hosts, "current_host": current}))
    return base


class Served:
    """The inference server's answers, without its socket."""

    def __init__(self, algorithm: Algorithm, base: Path, environ: Mapping[str, str] | None = None) -> None:
        model = artifact.load(base / "model", algorithm)
        self._scoring = Scoring(algorithm, model, environ or {})

    def ask(self, body: bytes, content_type: str = CSV, accept: str = "") -> tuple[int, bytes]:
        headers = {b"content-type": content_type.encode(), b"accept": accept.encode()}
        answer = self._scoring(Request(b"POST", b"/invocations", headers, body))
        return answer.status, answer.body

    def json(self, body: bytes, content_type: str = CSV, accept: str = "application/json") -> Any:
        status, answer = self.ask(body, content_type, accept)
        assert status == 200, answer
        return json.loads(answer)


def train(algorithm: Algorithm, base: Path, *args: Any, **more: Any) -> Served:
    """Lay out, train, and load what was trained."""
    training.train(algorithm, lay_out(base, *args, **more))
    return Served(algorithm, base)
