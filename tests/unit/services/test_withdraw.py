"""What is deleted or replaced in the bucket leaves the data, whatever the order of the events."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from sluicegate.services.catalog import Catalog
from tests.support.flow import Flow, table
from tests.support.rehearsal import Rehearsal

KEY = "data/churn/a.csv"


def statuses(flow: Flow) -> dict[str, str]:
    """By the first letters of the content's hash."""
    return {item["etag"]: item["status"] for item in flow.registry.uploads("churn")}


def in_use(flow: Flow) -> list[tuple[str, str]]:
    uploads = flow.registry.uploads("churn")
    return sorted((item["key"], item["etag"]) for item in uploads if item["status"] == "accepted")


def test_a_deleted_object_is_left_out_of_the_next_data_set_and_starts_a_run() -> None:
    flow = Flow()
    flow.put(KEY, table(240))
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    first = flow.registry.runs("churn")[0]
    flow.delete(KEY)
    flow.play(copies=2)
    (last,) = [run for run in flow.registry.runs("churn") if run["run"] != first["run"]]
    assert len(first["uploads"]) == 2
    (kept,) = [item for item in flow.registry.uploads("churn") if item["status"] == "accepted"]
    assert last["uploads"] == [kept["upload"]]
    (gone,) = [item for item in flow.registry.uploads("churn") if item["status"] == "withdrawn"]
    assert gone["withdrawn"]["reason"] == "deleted"
    assert gone["accepted_rows"] == 240  # what it was stays known


def test_a_replaced_object_takes_the_place_of_the_former_content() -> None:
    flow = Flow()
    flow.put(KEY, table(240))
    flow.play()
    flow.put(KEY, table(300, 2))
    flow.play()
    assert sorted(statuses(flow).values()) == ["accepted", "withdrawn"]
    last = flow.registry.run("churn", flow.registry.model("churn")["last_run"])
    assert len(last["uploads"]) == 1
    assert flow.registry.model("churn")["live_version"] == 2


def test_a_replacement_that_cannot_be_read_leaves_nothing_of_the_former_content() -> None:
    flow = Flow()
    flow.put(KEY, table(240))
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    flow.put(KEY, b"\x00\x01\x02PNG\xff" * 100)
    flow.play()
    assert sorted(statuses(flow).values()) == ["accepted", "rejected", "withdrawn"]
    last = flow.registry.run("churn", flow.registry.model("churn")["last_run"])
    assert len(last["uploads"]) == 1


def test_the_last_object_deleted_leaves_the_version_serving_and_waits() -> None:
    flow = Flow()
    flow.put(KEY, table(240))
    flow.play()
    flow.delete(KEY)
    flow.play()
    model = flow.registry.model("churn")
    assert (model["live_version"], model["state"]) == (1, "live")
    assert len(flow.registry.runs("churn")) == 1
    assert "deleted" in Catalog(flow.registry).model("churn", flow.world.now)["message"] + model["message"]


def test_data_that_come_back_to_what_they_were_are_trained_on_again() -> None:
    """Otherwise the version that learned from the deleted rows would go on serving."""
    flow = Flow()
    flow.put(KEY, table(240))
    flow.play()
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    flow.delete("data/churn/b.csv")
    flow.play(copies=2)
    runs = flow.registry.runs("churn")
    assert len(runs) == 3
    assert len({run["dataset_version"] for run in runs}) == 2
    assert flow.registry.model("churn")["live_version"] == 3


A, B = table(20, 1), table(30, 2)  # too few to train on: only what is in use matters


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_deletion_and_upload_in_any_order_of_their_events_end_right(order: tuple[int, ...]) -> None:
    """A is put, deleted, put again and replaced by B: the events in every order."""
    flow = Flow()
    flow.put(KEY, A)
    flow.delete(KEY)
    flow.put(KEY, A)
    flow.put(KEY, B)
    events = list(flow.pending)
    flow.pending.clear()
    for number in order:
        flow.attempt(*events[number])
    flow.play()
    assert in_use(flow) == [(KEY, flow.storage.head(KEY).etag)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_what_is_deleted_last_is_not_in_use_whatever_comes_last(order: tuple[int, ...]) -> None:
    flow = Flow()
    flow.put(KEY, A)
    first = flow.pending.pop()
    flow.attempt(*first)  # A is accepted before anything else happens
    flow.delete(KEY)
    flow.put(KEY, A)
    flow.delete(KEY)
    events = list(flow.pending)
    flow.pending.clear()
    for number in order:
        flow.attempt(*events[number])
    flow.play()
    assert in_use(flow) == []


def begun(flow: Flow) -> None:
    flow.put(KEY, table(240))
    flow.put("data/churn/b.csv", table(260, 2))


def taken_away(flow: Flow) -> None:
    flow.delete(KEY)
    flow.put("data/churn/c.csv", table(280, 4))


def outcome(flow: Flow) -> Any:
    """A crash lets a run begin between two files: the number of versions may differ, not what is learned last."""
    model = flow.registry.model("churn")
    last = flow.registry.run("churn", model["last_run"])
    assert model["live_version"] == last["version"]
    return (statuses(flow), last["dataset_version"], last["status"], model.get("active_run"))


TOLD = Rehearsal(
    Flow(),
    [
        begun,
        lambda flow: flow.put(KEY, table(300, 3)),
        lambda flow: flow.put("data/churn/b.csv", b"\x00\x01\x02PNG\xff" * 100),
        taken_away,
    ],
)


@pytest.mark.parametrize("number", TOLD.numbers[::9])
def test_a_crash_after_any_effect_changes_nothing(number: int) -> None:
    flow = TOLD.broken_off(number)
    assert outcome(flow) == outcome(TOLD.flow), flow.world.effects[number - 1]


def test_the_same_content_under_two_keys_counts_twice_and_is_said() -> None:
    flow = Flow()
    flow.put(KEY, table(240))
    flow.put("data/churn/copy.csv", table(240))
    flow.play()
    notes = [note for item in flow.registry.uploads("churn") for note in item["notes"]]
    assert any(f"same content as {KEY}: its rows count twice" in note for note in notes)
    run = flow.registry.run("churn", flow.registry.model("churn")["last_run"])
    assert sum(run["rows"].values()) == 480


def test_something_outside_data_that_is_deleted_is_nothing() -> None:
    flow = Flow()
    for key in ("models/churn/model.yaml", "data/churn.csv", "other/x", "data/churn/never-seen.csv"):
        assert flow.deliver("gone", "e", (key, "1")) in ("ignored", "known")
    assert flow.registry.models() == []


def test_what_is_told_is_what_happened() -> None:
    """The event of a deletion may be heard when other content lies there already."""
    for replaced in (False, True):
        flow = Flow()
        flow.put(KEY, table(240))
        flow.play()
        flow.delete(KEY)
        (event,) = flow.pending
        if replaced:
            flow.storage.put(KEY, table(300, 2))
        flow.deliver(*event)
        message = flow.registry.model("churn")["message"]
        assert message == f"{KEY} was {'replaced' if replaced else 'deleted'}."
