"""A batch broken off after any effect, delivered again: the same result, the same item, one transform job."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.support.batches import with_version
from tests.support.fakes import World
from tests.support.flow import Flow

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


def played(flow: Flow, copies: int = 1, random: Random | None = None) -> dict[str, Any]:
    for key, body in FILES.items():
        flow.put(key, body)
    flow.play(copies, random)
    return outcome(flow)


@pytest.fixture(scope="module")
def undisturbed() -> tuple[dict[str, Any], int, int]:
    flow = with_version()
    before = len(flow.world.effects)
    return played(flow), before, len(flow.world.effects)


def test_whatever_it_broke_off_after_the_outcome_is_one(undisturbed: tuple[dict[str, Any], int, int]) -> None:
    wanted, before, after = undisturbed
    assert after - before > 25
    for number in range(before + 1, after + 1):
        flow = with_version(World())
        flow.world.crash_after = number
        assert played(flow) == wanted, f"after effect {number}: {flow.world.effects[number - 1]}"


@pytest.mark.parametrize("seed", range(4))
def test_repeats_in_any_order_have_the_same_outcome(undisturbed: tuple[dict[str, Any], int, int], seed: int) -> None:
    found = played(with_version(), copies=2, random=Random(seed))
    assert found == undisturbed[0]
