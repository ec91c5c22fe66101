from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.domain.errors import NotFound
from sluicegate.domain.items import moment
from sluicegate.domain.lifecycle import MOVES
from sluicegate.http.answers import text_answer
from sluicegate.services.catalog import Catalog, UnknownModel, describe, shaped
from sluicegate.services.paging import InvalidPage, page
from tests.contract.http.samples import registry

AT = "2026-11-22T12:03:15.000Z"
NOW = moment(AT)


def run(status: str, **more: Any) -> Any:
    return {"run": "1f2e3d4c", "status": status, "history": [{"at": AT, "status": status, "message": ""}]} | more


LIVE = {"model": "churn", "live_version": 2}
NEW = {"model": "churn", "live_version": None}


@pytest.mark.parametrize(
    ("model", "last_run", "uploads", "state", "message"),
    [
        (NEW, None, [], "waiting", "waits for data: no file has arrived yet"),
        (NEW, None, [{"key": "data/churn/a.csv", "status": "received"}], "working", "reading data/churn/a.csv"),
        (
            NEW,
            None,
            [{"key": "data/churn/a.csv", "status": "accepted", "accepted_rows": 1200, "rejected_rows": 1}],
            "working",
            "1,200 rows accepted; training starts when no more files come for a while; "
            "data/churn/a.csv: 1 row set aside",
        ),
        (
            NEW,
            None,
            [{"key": "k", "status": "rejected", "error": {"title": "Empty file", "detail": "k has 0 bytes."}}],
            "failed",
            "k rejected: Empty file: k has 0 bytes.",
        ),
        (NEW, run("training"), [], "working", "training 1f2e3d4c since 12:03 UTC"),
        (LIVE, run("training"), [], "live", "training 1f2e3d4c since 12:03 UTC; version 2 stays live"),
        (LIVE, run("deploying", version=3), [], "live", "deploying version 3 since 12:03 UTC; version 2 stays live"),
        (
            LIVE,
            run("in_experiment", version=3),
            [],
            "live",
            "version 3 is compared with the one that serves since 12:03 UTC; version 2 stays live",
        ),
        (
            {**LIVE, "experiment": "c0ffee12", "challenging": 3},
            run("in_experiment", version=3),
            [],
            "live",
            "version 2 stays live; version 3 waits to be compared with it until experiment c0ffee12 has ended",
        ),
        (
            {**LIVE, "experiment": "c0ffee12"},
            run("training"),
            [],
            "live",
            "training 1f2e3d4c since 12:03 UTC; version 2 stays live; experiment c0ffee12 is under way",
        ),
        (NEW, run("awaiting_approval", version=1), [], "waiting", "version 1 waits for approval"),
        (
            LIVE,
            run("rejected", version=3, verdict={"accepted": False, "reason": "AUC fell from .91 to .88"}),
            [],
            "live",
            "version 3 rejected: AUC fell from .91 to .88; version 2 is live",
        ),
        (
            NEW,
            run("failed", error={"title": "Training failed", "detail": "ClientError: eta"}),
            [],
            "failed",
            "run 1f2e3d4c failed: Training failed: ClientError: eta",
        ),
        (
            NEW | {"asked": "settings:1"},
            run("failed", error={"title": "Above the budget", "detail": "$2"}),
            [],
            "working",
            "run 1f2e3d4c failed: Above the budget: $2; "
            "another run was asked for: it starts when nothing more comes for a while",
        ),
        (
            LIVE | {"asked": "settings:1", "settings_problem": {"title": "model.yaml", "detail": "no"}},
            run("live", version=2),
            [],
            "live",
            "model.yaml: no; version 2 is live since 12:03 UTC",
        ),
        (
            NEW,
            run("rejected", version=1, verdict={"accepted": True, "reason": "Accepted."})
            | {"history": [{"at": AT, "status": "rejected", "message": "Rejected by ann: label leaks."}]},
            [],
            "failed",
            "version 1 rejected: Rejected by ann: label leaks.",
        ),
        (LIVE, run("live", version=2), [], "live", "version 2 is live since 12:03 UTC"),
        (LIVE, run("live", version=3), [], "live", "version 2 is live"),
        (
            NEW | {"settings_problem": {"title": "model.yaml", "detail": "target: no such column"}},
            None,
            [],
            "failed",
            "model.yaml: target: no such column",
        ),
        (
            NEW | {"settings_problem": {"title": "model.yaml", "detail": "target: no such column"}},
            None,
            [{"key": "k", "status": "accepted", "accepted_rows": 1200}],
            "failed",
            "model.yaml: target: no such column; 1,200 rows accepted; training starts when model.yaml is corrected",
        ),
        (
            NEW | {"settings_problem": {"title": "model.yaml", "detail": "target: no such column"}},
            run("training"),
            [],
            "working",
            "model.yaml: target: no such column; training 1f2e3d4c since 12:03 UTC",
        ),
        (
            LIVE | {"settings_note": "x"},
            run("live", version=2),
            [],
            "live",
            "version 2 is live since 12:03 UTC; model.yaml was read: its endpoint settings apply to the next version",
        ),
    ],
)
def test_state_and_message(model: Any, last_run: Any, uploads: Any, state: Any, message: Any) -> None:
    assert describe(model, last_run, uploads) == (state, message)


@given(
    st.sampled_from([status for status in MOVES["run"] if status]),
    st.sampled_from([status for status in MOVES["upload"] if status]),
    st.booleans(),
    st.booleans(),
)
def test_every_status_is_told_in_one_of_the_four_states(
    run_status: Any, upload_status: Any, live: Any, with_run: Any
) -> None:
    model = LIVE if live else NEW
    found = describe(model, {"run": "r", "status": run_status} if with_run else None, [{"status": upload_status}])
    assert found.state in ("waiting", "working", "live", "failed")
    assert found.message
    assert live == (found.state == "live")


@given(st.integers(0, 30), st.integers(1, 10))
def test_pages_put_together_are_the_list(length: Any, limit: Any) -> None:
    items = [{"name": f"m{number}"} for number in range(length)]
    seen: list[dict[str, str]] = []
    after: str | None = None
    for _ in range(length + 1):
        shown, following = page(items, lambda item: item["name"], dict, str(limit), after)
        assert len(shown) <= limit
        seen += shown
        after = following.get("next")
        if after is None:
            break
    assert seen == items


def test_what_arrives_meanwhile_shifts_no_page() -> None:
    items = [{"name": "b"}, {"name": "a"}]
    _, following = page(items, lambda item: item["name"], dict, "1", None)
    shown, _ = page([{"name": "c"}, *items], lambda item: item["name"], dict, "1", following["next"])
    assert shown == [{"name": "a"}]


def test_a_page_of_large_items_is_as_large_as_an_answer_can_be() -> None:
    """A run that tunes has a hundred trials, and a list may have two hundred runs."""
    trial = {"job": "sluicegate-T1f2e3d4c-churn-007-0a1b2c3d", "reason": 'said "é"' * 60}
    items: list[dict[str, Any]] = [{"name": str(number), "trials": [trial] * 100} for number in range(60)]
    shown, after, pages = list[str](), None, 0
    while True:
        found, following = page(items, lambda item: item["name"], dict, "200", after)
        assert len(json.dumps(text_answer(200, json.dumps(found), ""))) <= 6 * 1024 * 1024
        shown += [item["name"] for item in found]
        after, pages = following.get("next"), pages + 1
        if after is None:
            break
    assert shown == [item["name"] for item in items]
    assert 1 < pages < 10
    (alone,), following = page(
        [{"name": "a", "x": "y" * 9_000_000}, {"name": "b"}], lambda one: one["name"], dict, None, None
    )
    assert (alone["name"], bool(following)) == ("a", True)


@pytest.mark.parametrize("limit", ["0", "-1", "201", "ten", "", "1e2", "٣", "9" * 5000])
def test_a_limit_that_is_none_is_refused(limit: Any) -> None:
    with pytest.raises(InvalidPage, match="1 to 200"):
        page([], str, dict, limit, None)


@given(st.text(max_size=30))
def test_a_token_that_is_none_is_refused(token: Any) -> None:
    with pytest.raises(InvalidPage):
        page([{"name": "a"}], lambda item: item["name"], dict, None, token)


def test_unknown_models_are_told_with_close_names() -> None:
    catalog = Catalog(registry())
    lists = (catalog.versions, catalog.runs, catalog.uploads)
    for ask in (partial(catalog.model, now=NOW), *lists, partial(catalog.version, version=1)):
        with pytest.raises(UnknownModel) as caught:
            ask("chrun")
        assert caught.value.close == ["churn"]
    with pytest.raises(NotFound):
        catalog.version("churn", 9)


def test_what_is_kept_for_ourselves_is_not_shown() -> None:
    catalog = Catalog(registry(), "bucket")
    detail = catalog.model("churn", NOW)
    assert not {"revision", "desired_version", "latest_cause", "settings"} & set(detail)
    assert not {"claim", "model", "claimed_at"} & set(detail["last_run"])
    assert detail["upload_to"] == "s3://bucket/data/churn/"
    assert "etag" not in catalog.uploads("churn")["uploads"][0]


def test_a_bare_item_has_the_whole_shape() -> None:
    upload = shaped("upload", {"upload": "u", "key": "data/x.csv", "status": "received"})
    assert upload["accepted_rows"] is None
    assert upload["notes"] == []
    version = shaped("version", {"version": 1, "status": "rejected", "reason": "too weak"})
    assert version["verdict"] == {"reason": "too weak"}


def test_a_model_without_runs_has_empty_lists() -> None:
    catalog = Catalog(registry())
    assert catalog.versions("price") == {"versions": []}
    assert catalog.model("price", NOW)["last_run"]["run"] == "77aa88bb"


@pytest.mark.parametrize(
    ("sleep", "said"),
    [
        ({"state": "asleep", "why": "nobody has called it for 2h.", "version": 2}, "(nobody has called it for 2h)"),
        ({"state": "asleep", "version": 3}, "asleep, version 3 serves when it wakes"),
        ({"state": "asleep", "error": "no capacity", "version": 2}, "could not be woken: no capacity"),
        ({"state": "waking", "version": 2}, "its endpoint wakes"),
    ],
)
def test_an_endpoint_that_sleeps_is_told_and_its_model_stays_live(sleep: dict[str, Any], said: str) -> None:
    state, message = describe({**LIVE, "sleep": sleep}, run("live", version=2), [])
    assert state == "live"
    assert said in message
