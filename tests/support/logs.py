"""A prediction log and feedback as ``services.record`` writes them, made up."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sluicegate.domain.items import moment, stamp

Row = dict[str, Any]


def rows(
    count: int,
    begin: datetime,
    *,
    heights: tuple[int, int] = (0, 100),
    skill: float = 1.0,
    version: int = 1,
    seed: int = 3,
) -> list[Row]:
    """Predictions of the flow's table, a minute apart; ``skill`` is the share of right ones."""
    random = Random(seed)
    found = []
    for number in range(count):
        height = random.randint(*heights)
        won = (height > 50) == (random.random() < skill)
        at = begin + timedelta(minutes=number)
        found.append(
            {
                "inference_id": f"{seed}-{version}-{number:06d}",
                "version": version,
                "slot": "champion",
                "at": stamp(at),
                "record": {"height": height, "color": random.choice(["red", "green", "blue"])},
                "prediction": "yes" if won else "no",
                "probabilities": {"no": 0.1, "yes": 0.9} if won else {"no": 0.9, "yes": 0.1},
                "truth": "yes" if height > 50 else "no",
            }
        )
    return found


def labels(predicted: Sequence[Row], late: timedelta = timedelta()) -> list[Row]:
    return [
        {
            "inference_id": row["inference_id"],
            "label": row["truth"],
            "at": stamp(moment(row["at"]) + late),
            "predicted_at": row["at"],
        }
        for row in predicted
    ]


def files(model: str, folder: str, lines: Sequence[Row], size: int = 40) -> Iterator[tuple[str, bytes]]:
    """Keys and contents. ``folder``: prediction-log | feedback."""
    parts: dict[str, list[Row]] = {}
    for line in lines:
        at = moment(line["at"])
        part = f"{at:%Y-%m-%d}/hour={at:%H}" if folder == "prediction-log" else f"{at:%Y-%m-%d}"
        parts.setdefault(part, []).append({name: value for name, value in line.items() if name != "truth"})
    for part, own in parts.items():
        for start in range(0, len(own), size):
            content = "".join(json.dumps(row) + "\n" for row in own[start : start + size]).encode()
            yield f"{folder}/{model}/dt={part}/{start:016x}.jsonl.gz", gzip.compress(content, mtime=0)
