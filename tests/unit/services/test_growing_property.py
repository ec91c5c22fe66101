"""Grow a data set in any order, with duplicates, replacements and deletions: the same data set and the same holdout."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fakes import World
from tests.support.flow import Flow, table

ROWS = [table(90, seed) for seed in range(4)]
JUNK = b"\x00\x01\x02PNG\xff" * 100
#: what ends in the bucket: key → content; another key is deleted at the end
FINAL = {"data/churn/a.csv": 0, "data/churn/b.csv": 1, "data/churn/deep/c.csv": 2}
GONE = "data/churn/gone.csv"

#: what lies under a key before its last write: contents (4 is one that can't be read), and None for a deletion
histories = st.lists(st.one_of(st.integers(0, 4), st.none()), max_size=3)


def content(number: int) -> bytes:
    return JUNK if number == len(ROWS) else ROWS[number]


def finish(flow: Flow) -> dict[str, Any]:
    """All that is known of the last run's data."""
    model = flow.registry.model("churn")
    run = flow.registry.run("churn", model["last_run"])
    folder = f"datasets/churn/{run['dataset_version']}/"
    accepted = [item for item in flow.registry.uploads("churn") if item["status"] == "accepted"]
    return {
        "in use": sorted((item["key"], item["etag"]) for item in accepted),
        "learned": run["uploads"],
        "version": run["dataset_version"],
        "active": model.get("active_run"),
        **{part: flow.storage.objects[f"{folder}{part}/part-00000.csv"] for part in ("train", "holdout")},
        "labels": flow.storage.objects[f"{folder}holdout-labels/part-00000.csv"],
    }


def grown_at_once() -> Flow:
    flow = Flow()
    for key, number in FINAL.items():
        flow.put(key, content(number))
    flow.play()
    return flow


EXPECTED = finish(grown_at_once())


@settings(max_examples=8)
@given(st.fixed_dictionaries(dict.fromkeys([*FINAL, GONE], histories)), st.integers(0, 2**32), st.integers(1, 2))
def test_any_history_that_ends_alike_is_the_same_data(
    before: dict[str, list[int | None]], seed: int, copies: int
) -> None:
    random = Random(seed)
    flow = Flow(World())
    writes = {key: [*before[key], FINAL.get(key)] for key in before}
    while writes:
        key = random.choice(sorted(writes))
        number = writes[key].pop(0)
        if not writes[key]:
            del writes[key]
        if number is not None:
            flow.put(key, content(number))
        elif key in flow.storage.objects:
            flow.delete(key)
        while flow.pending and random.random() < 0.4:  # some of what S3 said is heard now, in any order, some later
            flow.attempt(*flow.pending.pop(random.randrange(len(flow.pending))))
            flow.collect()
    flow.play(copies, random)
    assert finish(flow) == EXPECTED


def test_a_row_that_is_held_out_stays_so_while_data_grow_and_go() -> None:
    flow = Flow()
    held: list[set[bytes]] = []
    for number, key in enumerate(FINAL):
        flow.put(key, content(number))
        flow.play()
        held.append(set(finish(flow)["holdout"].splitlines()))
    assert held[0] <= held[1] <= held[2]
    flow.delete("data/churn/b.csv")
    flow.play()
    assert held[0] <= set(finish(flow)["holdout"].splitlines()) <= held[2]
