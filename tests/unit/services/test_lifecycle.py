"""Whatever moves are tried, state goes only forward along the table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.domain import lifecycle
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.images import xgboost

KINDS = sorted(lifecycle.MOVES)
#: what may be again: an upload whose object came back, a version that a person brings back, an endpoint that sleeps
COMES_BACK = {
    "upload": {"received", "ignored", "accepted", "rejected", "withdrawn"},
    "version": {"approved", "deploying", "live", "retired", "failed"},
    "endpoint": {"serving", "asleep", "waking"},
}
STATUSES = sorted({status for moves in lifecycle.MOVES.values() for status in moves if status is not None})


@given(st.sampled_from(KINDS), st.lists(st.sampled_from(STATUSES), max_size=40))
def test_no_sequence_of_tries_leaves_the_table_or_turns_round(kind: str, tries: list[str]) -> None:
    status: str | None = None
    been: list[str | None] = [status]
    for to in tries:
        walked = lifecycle.path(kind, status, to)
        previous = status
        for step in walked:
            assert lifecycle.allows(kind, previous, step)
            previous = step
        if walked:
            assert walked[-1] == to
            status = to
            been += walked
    revisited = {one for one in been if been.count(one) > 1}
    assert revisited <= COMES_BACK.get(kind, set())


@given(st.sampled_from(KINDS), st.sampled_from(STATUSES))
def test_who_is_there_goes_nowhere(kind: str, status: str) -> None:
    assert lifecycle.path(kind, status, status) == []


@given(st.sampled_from(KINDS), st.sampled_from(STATUSES), st.sampled_from(STATUSES))
def test_a_path_never_leads_through_an_end(kind: str, current: str, to: str) -> None:
    for step in lifecycle.path(kind, current, to)[:-1]:
        assert not lifecycle.is_terminal(kind, step)
        assert step not in ("failed", "rejected", "retired", "ignored")


def test_terminal_statuses_allow_nothing() -> None:
    for kind, moves in lifecycle.MOVES.items():
        for status in moves:
            if status is not None and lifecycle.is_terminal(kind, status):
                assert all(lifecycle.path(kind, status, to) == [] for to in STATUSES)
    assert lifecycle.sources("run", "live") == {"deploying", "in_experiment"}
    assert None in lifecycle.sources("upload", "received")


def test_the_image_of_a_region_and_the_refusal_of_another() -> None:
    assert xgboost("eu-central-1").endswith(".dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5")
    with pytest.raises(SettingsError, match="mars-north-1"):
        xgboost("mars-north-1")
