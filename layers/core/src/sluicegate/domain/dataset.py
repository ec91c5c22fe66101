"""``dataset.json`` as its readers see it. Without DuckDB, so that ``predict`` and the judging functions can read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sluicegate.domain.encoder import Encoder, Wire
from sluicegate.domain.schema import Problem, Schema


@dataclass(frozen=True)
class Wires:
    """How the rows of a data set are written: those to train on, and those to predict."""

    train: Wire = "csv"
    infer: Wire = "csv"

    def to_json(self) -> dict[str, str]:
        return {"train": self.train, "infer": self.infer}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Wires:
        """Documents from before there was a choice say nothing: csv."""
        return cls(**data) if data else cls()


@dataclass(frozen=True)
class Dataset:
    """A data set's manifest. ``parts`` maps a folder (``train``, ``holdout``, …) to keys below the data set's own."""

    version: str
    uploads: tuple[str, ...]
    schema: Schema
    encoder: Encoder
    problem: Problem
    counts: dict[str, int]
    profile: dict[str, Any]
    parts: dict[str, list[str]]
    notes: tuple[str, ...]
    wire: Wires = Wires()
    #: how the rows were split: ``by``, and by time ``column``, ``validation_from`` and ``holdout_from``
    split: Mapping[str, Any] = field(default_factory=dict)


def read_dataset_json(data: Mapping[str, Any]) -> Dataset:
    """What ``data.build.dataset_json`` wrote. ``ValueError`` for another format."""
    if data.get("format") != 1:
        raise ValueError(f"unknown data set format {data.get('format')!r}")
    return Dataset(
        version=data["version"],
        uploads=tuple(data["uploads"]),
        schema=Schema.from_json(data["schema"]),
        encoder=Encoder.from_json(data["encoder"]),
        problem=Problem.from_json(data["problem"]),
        counts=dict(data["counts"]),
        profile=dict(data["profile"]),
        parts={folder: list(keys) for folder, keys in data["parts"].items()},
        notes=tuple(data["notes"]),
        wire=Wires.from_json(data.get("wire")),
        split=dict(data.get("split") or {}),
    )
