"""A lane of ``routing/<model>.json``: where a version answers, and the encoding that it was trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sluicegate.domain import algorithms
from sluicegate.domain.algorithms import Algorithm
from sluicegate.domain.algorithms.base import decoded
from sluicegate.domain.encoder import Encoder, Wire
from sluicegate.domain.records import Records, check_records
from sluicegate.domain.schema import Problem, Schema
from sluicegate.domain.traffic import CHAMPION
from sluicegate.services.predict import LIMITS

if TYPE_CHECKING:
    from sluicegate.domain.local_models import LocalModel


@dataclass(frozen=True)
class EncodedLane:
    """Implements `sluicegate.services.predict.Lane`."""

    version: int
    endpoint: str
    variant: str
    weight: float
    slot: str
    schema: Schema
    encoder: Encoder
    problem: Problem
    algorithm: Algorithm
    wire: Wire
    local: str | None
    shifting_to: int | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EncodedLane:
        return cls(
            version=int(data["version"]),
            endpoint=data["endpoint"],
            variant=data["variant"],
            weight=float(data.get("weight", 1)),
            slot=data.get("slot") or CHAMPION,
            schema=_also_taking(data.get("subject"), Schema.from_json(data["schema"])),
            encoder=Encoder.from_json(data["encoder"]),
            problem=Problem.from_json(data["problem"]),
            algorithm=algorithms.of_lane(data),
            wire=data.get("wire", "csv"),
            local=(data.get("local") or {}).get("key"),
            shifting_to=data.get("shifting_to"),
        )

    @property
    def content_type(self) -> str:
        return self.algorithm.content_type(self.wire)

    @property
    def accept(self) -> str:
        return self.algorithm.accept

    def encode(self, records: Records) -> list[bytes]:
        checked = check_records(records, self.schema, LIMITS)
        return [self.encoder.encode_row(record, self.wire) for record in checked]

    def decode(self, answer: bytes) -> list[dict[str, Any]]:
        return [decoded.to_json() for decoded in self.algorithm.decode(answer, self.problem)]

    def evaluate(self, model: LocalModel, records: Sequence[bytes]) -> list[dict[str, Any]]:
        return [decoded(row, self.problem).to_json() for row in model.scores(records, self.wire)]


def _also_taking(subject: str | None, schema: Schema) -> Schema:
    """A record may name its subject in a field that the model doesn't know."""
    known = (schema.target, schema.id_column, *schema.ignored, *schema.names)
    return schema if not subject or subject in known else replace(schema, ignored=(*schema.ignored, subject))
