"""An experiment broken off after any of its effects, and delivered again: one outcome."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import pytest

from tests.support.contest import MODEL, Contest, contest


def story(how: str, crash_after: int | None = None, copies: int = 1) -> Contest:
    flow = contest(crash_after, instances=how.endswith("variants"))
    for _ in range(copies):
        flow.attempt("start", "start", flow.wanted(2))
    flow.play(copies)
    good, bad = (160, 120), (480, 20)
    hits = good if how.startswith("promote") else bad
    flow.serve({"champion": (1600, hits[0]), "challenger": (400, hits[1])})
    for _ in range(9):
        flow.world.now = flow.world.now.replace(second=0) + flow.every
        for _copy in range(copies):
            flow.attempt("tick", "tick", None)
            flow.attempt("look", "look", flow.world.now)
        flow.play(copies)
    return flow


def outcome(flow: Contest) -> dict[str, Any]:
    found = flow.experiment()
    return {
        "number": len(flow.registry.experiments(MODEL)),
        "status": found["status"],
        "decided": (found["decision"]["kind"], found["decision"]["version"], found["decision"]["reason"]),
        "history": [line["status"] for line in found["history"]],
        "looks": (found["looks"], len(found["course"])),
        "written": len([key for key in flow.storage.objects if key.startswith("experiments/")]),
        "live": flow.item()["live_version"],
        "model": {name: flow.item().get(name) for name in ("experiment", "traffic", "desired_version", "challenging")},
        "versions": [(item["version"], item["status"]) for item in flow.registry.versions(MODEL)],
        "lanes": flow.lanes_up(),
        "shares": flow.shares(),
        "orders": list(dict.fromkeys(flow.endpoints.orders)),
        "weights": flow.weights(),
        "scaled": flow.scaling.targets,
        "configs": sorted(flow.endpoints.variants),
    }


HOW = ("promote", "keep", "promote variants", "keep variants")
UNDISTURBED = {how: story(how) for how in HOW}


def crashes() -> list[tuple[str, int]]:
    """After each effect of each story; of two that begin alike the beginning once."""
    found = []
    for how, flow in UNDISTURBED.items():
        effects, before = flow.world.effects, UNDISTURBED[how.replace("keep", "promote")].world.effects
        alike = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(effects, before, strict=False))))
        found += [(how, number) for number in range(1 if how.startswith("promote") else alike + 1, len(effects) + 1)]
    return found


def test_the_undisturbed_outcomes() -> None:
    ends = {how: (outcome(flow)["live"], outcome(flow)["status"]) for how, flow in UNDISTURBED.items()}
    assert ends["promote"] == ends["promote variants"] == (2, "promoted")
    assert ends["keep"] == ends["keep variants"] == (3, "kept")
    assert [UNDISTURBED[how].experiment()["lanes_as"] for how in HOW] == ["endpoints"] * 2 + ["variants"] * 2


@pytest.mark.parametrize(("how", "number"), crashes())
def test_a_crash_after_any_effect_changes_nothing(how: str, number: int) -> None:
    flow = story(how, crash_after=number)
    assert flow.world.crash_after is None, "the crash took place"
    assert outcome(flow) == outcome(UNDISTURBED[how]), flow.world.effects[number - 1]


@pytest.mark.parametrize("how", HOW)
def test_repeated_deliveries_change_nothing(how: str) -> None:
    assert outcome(story(how, copies=3)) == outcome(UNDISTURBED[how])
