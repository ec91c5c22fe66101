"""A lane of ``routing/<model>.json``: where a version answers, and the encoding that it was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluicegate.domain import algorithms
from sluicegate.domain.algorithms import Algorithm
from sluicegate.domain.encoder import Encoder, Wire
from sluicegate.domain.records import parse_records
from sluicegate.domain.schema import Problem, Schema
from sluicegate.services.predict import LIMITS


@dataclass(frozen=True)
class EncodedLane:
    """Implements `sluicegate.services.predict.Lane`."""

    version: int
    endpoint: str
    variant: str
    weight: float
    schema: Schema
    encoder: Encoder
    problem: Problem
    algorithm: Algorithm
    wire: Wire

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EncodedLane:
        return cls(
            version=int(data["version"]),
            endpoint=data["endpoint"],
            variant=data["variant"],
            weight=float(data.get("weight", 1)),
            schema=Schema.from_json(data["schema"]),
            encoder=Encoder.from_json(data["encoder"]),
            problem=Problem.from_json(data["problem"]),
            algorithm=algorithms.of_lane(data),
            wire=data.get("wire", "csv"),
        )

    @property
    def content_type(self) -> str:
        return self.algorithm.content_type(self.wire)

    @property
    def accept(self) -> str:
        return self.algorithm.accept

    def encode(self, body: bytes, content_type: str) -> list[bytes]:
        records = parse_records(body, content_type, self.schema, LIMITS)
        return [self.encoder.encode_row(record, self.wire) for record in records]

    def decode(self, answer: bytes) -> list[dict[str, Any]]:
        return [decoded.to_json() for decoded in self.algorithm.decode(answer, self.problem)]
