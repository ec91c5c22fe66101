"""When growing data start a run: min_new_rows, schedule, window."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sluice.commands.lineage import upload_tree, version_tree
from sluicegate.domain.items import moment
from sluicegate.services.catalog import Catalog
from sluicegate.services.wake import Wake
from tests.support.fakes import START, Crash
from tests.support.flow import Flow, table

WEEKLY = b"retrain: {on: [schedule], schedule: rate(7 days)}\n"


def last_run(flow: Flow) -> dict[str, Any]:
    return dict(flow.registry.run("churn", flow.registry.model("churn")["last_run"]))


def runs(flow: Flow) -> int:
    return len(flow.registry.runs("churn"))


def wait(flow: Flow, **time: int) -> list[str]:
    """Time goes by; the rule fires once, and again for the same time."""
    flow.world.now += timedelta(**time)
    woken = Wake(flow.ledger()).look(flow.registry.models(), flow.world.now)
    Wake(flow.ledger()).look(flow.registry.models(), flow.world.now)
    flow.play()
    return woken


def test_with_only_a_schedule_data_wait_for_it() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", WEEKLY)
    flow.play()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    model = flow.registry.model("churn")
    assert runs(flow) == 0
    assert (model["state"], model["scheduled_for"] in model["message"]) == ("waiting", True)
    detail = Catalog(flow.registry).model("churn", flow.world.now)
    assert detail["state"] == "waiting"
    assert detail["message"] == f"waits for its schedule: {detail['scheduled_for']}"
    assert wait(flow, days=6) == []
    assert wait(flow, days=1, minutes=1) == ["churn"]
    assert runs(flow) == 1
    assert flow.registry.model("churn")["live_version"] == 1
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    assert runs(flow) == 1
    wait(flow, days=7)
    assert flow.registry.model("churn")["live_version"] == 2


def test_a_schedule_that_comes_on_unchanged_data_trains_nothing_again() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.put("models/churn/model.yaml", b"retrain: {schedule: rate(1 day)}\n")
    flow.play()
    for _ in range(3):
        wait(flow, days=1)
    assert runs(flow) == 1
    model = flow.registry.model("churn")
    assert model.get("asked") is None
    assert moment(model["scheduled_for"]) > flow.world.now


def test_a_schedule_takes_fewer_rows_than_min_new_rows_and_comes_once_for_all_missed_times() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"retrain: {min_new_rows: 200, schedule: rate(1 day)}\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    flow.put("data/churn/b.csv", table(100, 2))
    flow.play()
    assert runs(flow) == 1
    before = len(flow.world.messages)
    wait(flow, days=30)
    assert runs(flow) == 2
    assert len(last_run(flow)["uploads"]) == 2
    assert sum(body["cause"].startswith("schedule:") for _, body, _ in flow.world.messages[before:]) == 2


def test_a_schedule_that_comes_during_a_run_starts_the_next_one_at_its_end() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.put("models/churn/model.yaml", WEEKLY)
    flow.play()
    flow.put("data/churn/b.csv", table(260, 2))
    flow.put("models/churn/model.yaml", WEEKLY + b"algorithm: {hyperparameters: {num_round: 5}}\n")
    flow.collect()
    while flow.pending:
        flow.attempt(*flow.pending.pop(0))
        flow.collect()
    assert flow.registry.model("churn")["active_run"]
    flow.put("data/churn/c.csv", table(280, 3))
    flow.attempt(*flow.pending.pop())
    flow.world.now += timedelta(days=8)
    Wake(flow.ledger()).look(flow.registry.models(), flow.world.now)
    flow.play()
    assert len(last_run(flow)["uploads"]) == 3


def test_a_model_whose_settings_no_longer_can_be_read_holds_up_no_other() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", WEEKLY)
    flow.put("models/later/model.yaml", WEEKLY)
    flow.play()
    flow.registry.items["model", "churn", ""]["settings"] = "an_older_key: 1\n"
    flow.world.now += timedelta(days=8)
    for _ in range(2):
        assert Wake(flow.ledger()).look(flow.registry.models(), flow.world.now) == ["churn", "later"]
    flow.play()
    assert "an_older_key" in flow.registry.model("churn")["message"]
    assert "scheduled_for" not in flow.registry.model("churn")
    flow.put("models/churn/model.yaml", WEEKLY)
    flow.play()
    assert flow.registry.model("churn")["scheduled_for"]


def test_a_settings_file_that_leaves_the_schedule_does_not_put_it_off() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", WEEKLY)
    flow.play()
    due = flow.registry.model("churn")["scheduled_for"]
    flow.world.now += timedelta(days=2)
    flow.put("models/churn/model.yaml", WEEKLY + b"approval: manual\n")
    flow.play()
    assert flow.registry.model("churn")["scheduled_for"] == due
    flow.put("models/churn/model.yaml", b"approval: manual\n")
    flow.play()
    assert "scheduled_for" not in flow.registry.model("churn")


def test_a_window_of_days_moves_and_a_moved_window_is_another_data_set() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"retrain: {schedule: rate(1 day), window: {days: 30}}\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    flow.world.now += timedelta(days=20)
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    both = last_run(flow)
    assert both["window"] == {"days": 30, "uploads_left_out": 0, "rows_left_out": 0}
    wait(flow, days=5)
    assert runs(flow) == 2
    wait(flow, days=6)
    moved = last_run(flow)
    assert runs(flow) == 3
    assert moved["dataset_version"] != both["dataset_version"]
    assert moved["window"] == {"days": 30, "uploads_left_out": 1, "rows_left_out": 240}
    assert "1 upload of the last 30 days (1 older left out)" in moved["history"][0]["message"]


def beyond_its_window() -> Flow:
    """440 rows in two files; the last 300 are learned from."""
    flow = Flow()
    flow.put("models/churn/model.yaml", b"retrain: {window: {rows: 300}}\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    flow.put("data/churn/b.csv", table(200, 2))
    flow.play()
    return flow


def test_a_window_of_rows_takes_the_last_rows_of_the_file_at_its_edge() -> None:
    flow = beyond_its_window()
    run = last_run(flow)
    assert sum(run["rows"].values()) == 300
    assert run["window"] == {"rows": 300, "uploads_left_out": 0, "rows_left_out": 140}
    rows = table(240).decode().splitlines()[141:] + table(200, 2).decode().splitlines()[1:]
    document = flow.storage.json(f"datasets/churn/{run['dataset_version']}/dataset.json")
    won = sum(line.endswith("yes") for line in rows)
    assert sum(document["profile"]["classes"]["yes"].values()) == won


def test_lineage_leads_both_ways_and_tells_what_was_withdrawn() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    flow.delete("data/churn/a.csv")
    flow.play()
    catalog = Catalog(flow.registry)
    second = catalog.lineage("churn", 2)
    assert [(item["key"], item["rows"], item["status"]) for item in second["uploads"]] == [
        ("data/churn/a.csv", 240, "withdrawn"),
        ("data/churn/b.csv", 260, "accepted"),
    ]
    assert second["withdrawn"] == 1
    assert [item["key"] for item in catalog.lineage("churn", 3)["uploads"]] == ["data/churn/b.csv"]
    forward = catalog.upload("churn", second["uploads"][0]["upload"])
    assert [run["version"] for run in forward["runs"]] == [2, 1]
    assert forward["withdrawn"]["reason"] == "deleted"
    for version in (1, 2, 3):  # each way back leads forward again
        for item in catalog.lineage("churn", version)["uploads"]:
            assert version in [run["version"] for run in catalog.upload("churn", item["upload"])["runs"]]


def test_lineage_as_a_tree() -> None:
    flow = beyond_its_window()
    catalog = Catalog(flow.registry)
    lines = version_tree(catalog.lineage("churn", 2))
    assert lines[0].startswith("churn version 2 (live)")
    assert lines[2].endswith("2 uploads of the last 300 rows, 140 rows left out")
    assert [line.split(", ")[-1] for line in lines[3:]] == ["100 rows", "200 rows"]
    (first,) = [item["upload"] for item in flow.registry.uploads("churn") if item["key"].endswith("a.csv")]
    tree = upload_tree(catalog.upload("churn", first))
    assert [line.rsplit("→ ")[-1] for line in tree[1:]] == ["version 2 (live)", "version 1 (retired)"]


def test_a_window_of_days_goes_by_the_column_that_the_split_goes_by() -> None:
    """The rows of one file lie on 100 days before START; the window takes the last 60 of them, by the day."""
    first = (START - timedelta(days=100)).date()
    lines = ["at,size,won"]
    for number in range(1000):
        lines.append(f"{first + timedelta(days=number // 10)},{number % 97},{'yes' if number % 97 > 48 else 'no'}")
    flow = Flow()
    flow.put("models/churn/model.yaml", b"split: {by: time, column: at}\nretrain: {window: {days: 60}}\n")
    flow.put("data/churn/a.csv", "\n".join(lines).encode() + b"\n")
    flow.play()
    run = last_run(flow)
    since = (START - timedelta(days=60)).date()
    assert run["window"]["since"] == f"{since}T00:00:00.000Z"
    assert sum(run["rows"].values()) == 600
    assert f"rows from {since} on" in run["history"][0]["message"]
    flow.world.now += timedelta(days=10)
    flow.put("data/churn/b.csv", b"at,size,won\n" + f"{START.date()},3,no\n".encode() * 20)
    flow.play()
    moved = last_run(flow)
    assert moved["dataset_version"] != run["dataset_version"]
    assert sum(moved["rows"].values()) == 520


def test_numbers_have_no_days_to_count() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"split: {by: time, column: height}\nretrain: {window: {days: 60}}\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    error = last_run(flow)["error"]
    assert error["title"] == "No days to count"
    assert "retrain.window.rows" in error["remedy"]


@pytest.mark.parametrize("effect", [1, 2])
def test_a_wake_that_breaks_off_after_any_effect_is_made_good_by_the_next(effect: int) -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", WEEKLY)
    flow.play()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    flow.world.now += timedelta(days=8)
    flow.world.crash_after = len(flow.world.effects) + effect
    with pytest.raises(Crash):
        Wake(flow.ledger()).look(flow.registry.models(), flow.world.now)
    assert wait(flow, minutes=5) == ["churn"]
    assert runs(flow) == 1
    model = flow.registry.model("churn")
    assert (model["live_version"], model.get("asked")) == (1, None)
    assert wait(flow, minutes=5) == []


def test_with_only_feedback_data_make_the_first_version_and_labels_the_next() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"retrain: {on: [feedback], min_new_rows: 100}\n")
    flow.play()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    assert runs(flow) == 1
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    assert runs(flow) == 1
    flow.put("data/churn/feedback/dt=2026-01-02/0.csv", table(60, 3))
    flow.play()
    assert runs(flow) == 1  # too few
    flow.put("data/churn/feedback/dt=2026-01-02/1.csv", table(60, 4))
    flow.play()
    assert runs(flow) == 2
    assert len(last_run(flow)["uploads"]) == 4
