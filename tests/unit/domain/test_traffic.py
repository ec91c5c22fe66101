"""Who is served by which lane, and who moves when lanes change: properties over many subjects."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.domain.traffic import assign, named_slots, subject_of

SUBJECTS = [f"subject-{number}" for number in range(400)]
SLOTS = ("champion", "challenger", "challenger-2")
weight = st.floats(0.01, 100)


def served(weights: dict[str, float], salt: str = "") -> dict[str, str]:
    return {subject: assign(subject, weights, salt) for subject in SUBJECTS}


@settings(max_examples=50)
@given(st.lists(weight, min_size=2, max_size=3), st.text(max_size=8))
def test_each_slot_gets_its_share(weights: list[float], salt: str) -> None:
    slots = dict(zip(SLOTS, weights, strict=False))
    counts = Counter(served(slots, salt).values())
    for slot, share in ((slot, value / sum(weights)) for slot, value in slots.items()):
        # six standard deviations of a binomial
        assert abs(counts[slot] - share * len(SUBJECTS)) <= 6 * (len(SUBJECTS) * share * (1 - share)) ** 0.5 + 1


@settings(max_examples=50)
@given(st.tuples(weight, weight, weight), st.sampled_from(SLOTS), weight)
def test_a_ramp_moves_only_those_who_must(weights: tuple[float, float, float], changed: str, to: float) -> None:
    before = dict(zip(SLOTS, weights, strict=True))
    after = before | {changed: to}
    moved = {(old, new) for old, new in zip(served(before).values(), served(after).values(), strict=True) if old != new}
    assert all((new if to >= before[changed] else old) == changed for old, new in moved)


@settings(max_examples=30)
@given(st.tuples(weight, weight, weight), st.sampled_from(SLOTS))
def test_a_loser_drains_at_once_and_only_its_subjects_move(weights: tuple[float, float, float], loser: str) -> None:
    before = dict(zip(SLOTS, weights, strict=True))
    drained, gone = served(before | {loser: 0.0}), served({slot: w for slot, w in before.items() if slot != loser})
    assert drained == gone
    assert loser not in drained.values()
    assert all(drained[subject] == slot for subject, slot in served(before).items() if slot != loser)


@given(weight, weight, st.floats(0.1, 10))
def test_only_the_ratio_of_weights_counts(one: float, other: float, factor: float) -> None:
    subjects = SUBJECTS[:50]
    slots, scaled = {"a": one, "b": other}, {"a": one * factor, "b": other * factor}
    differing = sum(assign(subject, slots) != assign(subject, scaled) for subject in subjects)
    assert differing <= 1  # rounding may move one who stands on the border


def test_a_new_salt_deals_anew() -> None:
    slots = {"champion": 0.5, "challenger": 0.5}
    first, second = served(slots, "x1"), served(slots, "x2")
    assert 100 < sum(first[subject] == second[subject] for subject in SUBJECTS) < 300


def test_someone_answers_whatever_the_weights() -> None:
    assert assign("ada", {"champion": 0, "challenger": 0}) == "champion"
    assert assign("\ud800", {"champion": 1, "challenger": 0}) == "champion"
    with pytest.raises(ValueError, match="no slot"):
        assign("ada", {})


@pytest.mark.parametrize(
    ("value", "subject"),
    [("ada", "ada"), (7, "7"), (7.0, "7"), (7.5, "7.5"), ("", None), (None, None), (True, None), ([1], None)],
)
def test_a_records_subject(value: object, subject: str | None) -> None:
    assert subject_of({"customer": value}, "customer") == subject


@pytest.mark.parametrize("record", [None, 5, [], {}, {"customer": float("nan")}, {"customer": float("inf")}])
def test_a_record_without_a_subject(record: object) -> None:
    assert subject_of(record, "customer") is None


def test_lanes_of_before_there_were_slots_keep_apart() -> None:
    assert named_slots([(None, "v3")]) == ["champion"]
    assert named_slots([(None, "v3"), ("challenger", "v4"), (None, "v5")]) == ["champion", "challenger", "v5"]
