"""A batch broken off after any effect, delivered again: the same result, the same item, one transform job."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.support.batches import with_version
from tests.support.flow import Flow
from tests.support.rehearsal import Rehearsal

FILES = {
    "batch/churn/june.csv": b"id,height,color\n1,80,red\n2,x,red\n3,20,pink\n",
    "batch/churn/version=1/july.jsonl": b'{"height":80,"color":null}\n',
    "batch/churn/none.csv": b"id,height,color\n1,x,red\n",
}


def outcome(flow: Flow) -> dict[str, Any]:
    batches = flow.registry.batches("churn")
    shown = ("key", "status", "version", "rows", "rejected_rows", "result", "rejects")
    return {
        "items": sorted(str([item.get(name) for name in shown]) for item in batches),
        "histories": sorted(tuple(line["status"] for line in item["history"]) for item in batches),
        "jobs": sorted(name for name in flow.jobs.transforms if name.endswith("-b")),
        "results": {key: body for key, body in flow.storage.objects.items() if key.startswith("predictions/")},
    }


def dropped(flow: Flow) -> None:
    for key, body in FILES.items():
        flow.put(key, body)


@pytest.fixture(scope="module")
def told() -> Rehearsal:
    return Rehearsal(with_version(), [dropped])


def test_whatever_it_broke_off_after_the_outcome_is_one(told: Rehearsal) -> None:
    assert len(told.numbers) > 25
    for number in told.numbers:
        flow = told.broken_off(number)
        assert outcome(flow) == outcome(told.flow), f"after effect {number}: {flow.world.effects[number - 1]}"


@pytest.mark.parametrize("seed", range(4))
def test_repeats_in_any_order_have_the_same_outcome(told: Rehearsal, seed: int) -> None:
    flow = with_version()
    dropped(flow)
    flow.play(copies=2, random=Random(seed))
    assert outcome(flow) == outcome(told.flow)
