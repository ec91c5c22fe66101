"""An answer that Lambda would refuse is a problem that says what to do, not a 502."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from sluicegate.domain.local_models import LocalModel
from sluicegate.domain.records import Records
from sluicegate.http.predictions import handle
from sluicegate.services.predict import Predicted, Served

EVENT = {
    "httpMethod": "POST",
    "resource": "/models/{model}/predictions",
    "pathParameters": {"model": "m"},
    "body": "{}",
    "requestContext": {"requestId": "r"},
}


class Lane:
    slot, version, endpoint, variant, weight = "champion", 1, "e", "v1", 1.0
    content_type = accept = "text/csv"
    local: str | None = None
    shifting_to: int | None = None

    def evaluate(self, model: LocalModel, records: Sequence[bytes]) -> list[dict[str, Any]]:
        raise NotImplementedError

    def encode(self, records: Records) -> list[bytes]:
        raise NotImplementedError

    def decode(self, answer: bytes) -> list[dict[str, Any]]:
        raise NotImplementedError


def answered(predictions: list[dict[str, Any]]) -> Predicted:
    return Predicted((Served(Lane(), "champion", None, (0,), predictions, 1, 0.01),), predictions)


class Many:
    """1,000 predictions of 100 classes with names of ``length`` characters."""

    def __init__(self, length: int) -> None:
        self.names = [f"{number:0{length}d}" for number in range(100)]

    def predict(self, *_: Any, **__: Any) -> Predicted:
        shares = dict.fromkeys(self.names, 0.0123456789012345)
        one = {"prediction": self.names[0], "probabilities": shares, "inference_id": "i" * 64}
        return answered([dict(one) for _ in range(1000)])


@pytest.mark.parametrize(("length", "status"), [(3, 200), (60, 413)])
def test_an_answer_larger_than_lambda_takes_is_told(length: int, status: int) -> None:
    lines: list[dict[str, Any]] = []
    found = handle(EVENT, Many(length), 10, lines.append)  # type: ignore[arg-type]
    assert found["statusCode"] == lines[-1]["status"] == status
    assert len(json.dumps(found)) < 6 * 1024 * 1024
    if status == 413:
        assert "fewer records" in json.loads(found["body"])["detail"]


class Said:
    """Answers with the same prediction twice."""

    def __init__(self, **one: Any) -> None:
        self.one = one

    def predict(self, *_: Any, **__: Any) -> Predicted:
        return answered([{**self.one, "inference_id": "i" * 64} for _ in range(2)])


@pytest.mark.parametrize(
    ("one", "header", "line"),
    [
        (
            {"prediction": "a", "probabilities": {"a": 0.75, "b": 0.25}},
            "prediction,probability_a,probability_b",
            "a,0.75,0.25",
        ),
        ({"prediction": 2, "distance": 0.5}, "prediction,distance", "2,0.5"),
        ({"prediction": 1.5, "anomaly": True}, "prediction,anomaly", "1.5,true"),
        (
            {"prediction": 2, "version": 1, "lane": "champion", "served_by": "function"},
            "prediction,version,lane,served_by",
            "2,1,champion,function",
        ),
        ({"prediction": [0.5, -1.0]}, "component_1,component_2", "0.5,-1.0"),
    ],
)
def test_an_answer_as_csv(one: dict[str, Any], header: str, line: str) -> None:
    event = {**EVENT, "headers": {"accept": "text/csv"}}
    body = handle(event, Said(**one), 10, lambda _: None)["body"]  # type: ignore[arg-type]
    assert body.splitlines() == [f"{header},inference_id", *[f"{line},{'i' * 64}"] * 2]
