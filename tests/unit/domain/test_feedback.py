"""What is taken of what is sent: for any input either a value within its bounds or a reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.domain.feedback import Accepted, Refused, Rules, judged
from sluicegate.domain.inference_id import issue

KEY = b"0123456789abcdef"
NOW = 1_767_323_045_000
DAY = 86_400_000
BINARY = Rules(kind="binary", classes=("no", "yes"), positive="yes")
NUMBERS = Rules(kind="regression")
REWARDS = Rules(rewards=(-1.0, 5.0), kind="binary", classes=("no", "yes"), positive="yes")
TOKEN = issue(KEY, "churn", 3, "e", "v3", NOW - DAY, 7, slot="challenger", cause="0123abcd")


def judge(rules: Rules = BINARY, token: Any = TOKEN, now: int = NOW, **said: Any) -> Accepted:
    return judged({"inference_id": token, **said}, rules, "churn", KEY, now)


def refused(item: Any, rules: Rules = BINARY, now: int = NOW) -> Refused:
    with pytest.raises(Refused) as caught:
        judged(item, rules, "churn", KEY, now)
    return caught.value


def test_a_label_is_an_outcome_of_its_lane() -> None:
    found = judge(label="yes")
    assert (found.value, found.outcome, found.once) == ("yes", 1.0, f"label:{TOKEN}")
    assert (found.read.version, found.read.slot, found.read.cause) == (3, "challenger", "0123abcd")
    assert judge(label="no").outcome == 0.0


def test_a_reward_is_one_in_its_range_and_labels_are_then_for_learning_only() -> None:
    assert (judge(REWARDS, reward=5).outcome, judge(REWARDS, reward=-1).value) == (5.0, -1.0)
    assert (judge(REWARDS, label="yes").value, judge(REWARDS, label="yes").outcome) == ("yes", None)


@pytest.mark.parametrize(
    ("label", "read"), [(1, "1"), (1.0, "1"), ("1", "1"), (True, "true"), (1.5, "1.5"), (2, "2.0")]
)
def test_classes_may_come_as_what_they_look_like(label: Any, read: str) -> None:
    assert judge(Rules(kind="multiclass", classes=("0", "1", "true", "1.5", "2.0")), label=label).value == read


def test_numbers_are_labels_of_a_regression() -> None:
    assert (judge(NUMBERS, label=3).value, judge(NUMBERS, label=3).outcome) == (3.0, None)


@pytest.mark.parametrize(
    ("rules", "said", "reason", "words"),
    [
        (BINARY, {"label": "maybe"}, "unknown_label", 'one of no, yes, not "maybe"'),
        (BINARY, {"label": None}, "unknown_label", "not null"),
        (BINARY, {"label": 10**400}, "unknown_label", "one of no, yes"),
        (BINARY, {"label": float("nan")}, "unknown_label", "not NaN"),
        (BINARY, {"label": ["yes"]}, "unknown_label", "one of no, yes"),
        (BINARY, {"label": "x" * 5000}, "unknown_label", "a text of 5,000 characters"),
        (BINARY, {"reward": 1}, "wrong_kind", "feedback.reward in model.yaml"),
        (REWARDS, {"reward": 5.1}, "out_of_range", "from -1 to 5, not 5.1"),
        (REWARDS, {"reward": float("nan")}, "out_of_range", "number from -1 to 5"),
        (REWARDS, {"reward": float("inf")}, "out_of_range", "number from -1 to 5"),
        (REWARDS, {"reward": "5"}, "out_of_range", 'not "5"'),
        (REWARDS, {"reward": True}, "out_of_range", "not true"),
        (REWARDS, {"reward": 10**400}, "out_of_range", "number from -1 to 5"),
        (NUMBERS, {"label": "3"}, "out_of_range", "finite number"),
        (NUMBERS, {"label": float("-inf")}, "out_of_range", "finite number"),
        (Rules(kind="clustering"), {"label": 1}, "wrong_kind", "clustering has no labels"),
        (BINARY, {}, "malformed", "either label or reward"),
        (BINARY, {"label": "yes", "reward": 1}, "malformed", "either label or reward"),
        (BINARY, {"label": "yes", "extra": 1}, "malformed", "unknown key 'extra'"),
    ],
)
def test_what_is_not_taken_is_refused_with_a_reason(rules: Rules, said: Any, reason: str, words: str) -> None:
    found = refused({"inference_id": TOKEN, **said}, rules)
    assert (found.reason, found.status) == (reason, 400)
    assert words in found.message


@pytest.mark.parametrize("item", [None, 1, "x", [], {"label": "yes"}, {"inference_id": 5, "label": "yes"}])
def test_what_is_no_feedback_is_malformed(item: Any) -> None:
    assert refused(item).reason == "malformed"


def test_an_id_of_others_is_forged_or_another_models() -> None:
    stolen = issue(b"another key of 16 b", "churn", 3, "e", "v3", NOW)
    assert refused({"inference_id": stolen, "label": "yes"}).reason == "forged"
    other = issue(KEY, "other", 3, "e", "v3", NOW)
    assert refused({"inference_id": other, "label": "yes"}).reason == "other_model"


def test_the_window_has_two_ends() -> None:
    assert judge(now=NOW + 6 * DAY, label="yes")
    late = refused({"inference_id": TOKEN, "label": "yes"}, now=NOW + 6 * DAY + 1)
    assert (late.reason, late.status) == ("late", 410)
    assert "7 days" in late.message
    assert judge(now=NOW - DAY - 60_000, label="yes")
    assert refused({"inference_id": TOKEN, "label": "yes"}, now=NOW - DAY - 60_001).reason == "early"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
tokens = st.just(TOKEN) | st.text(max_size=70) | st.sampled_from([TOKEN[:-1], TOKEN + "A", TOKEN.swapcase()])


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {}, optional={"inference_id": tokens | json_values, "label": json_values, "reward": json_values}
    )
    | json_values,
    st.sampled_from([BINARY, NUMBERS, REWARDS, Rules(), Rules(kind="anomaly", classes=("normal", "odd"))]),
    st.integers(0, 2**48),
)
def test_whatever_is_sent_is_taken_within_bounds_or_refused(item: Any, rules: Rules, now: int) -> None:
    try:
        found = judged(item, rules, "churn", KEY, now)
    except Refused as refusal:
        assert refusal.message
        assert len(refusal.message) < 500
        return
    assert item["inference_id"] == TOKEN
    assert -60_000 <= now - found.read.time_ms <= rules.window_seconds * 1000
    if found.kind == "reward":
        assert rules.rewards is not None
        assert rules.rewards[0] <= float(found.value) <= rules.rewards[1]
    elif rules.classes:
        assert found.value in rules.classes
    else:
        assert abs(float(found.value)) < float("inf")


def test_the_rules_are_the_routings_and_old_routings_mean_the_defaults() -> None:
    problem = {"kind": "binary", "classes": ["no", "yes"], "positive": "yes"}
    other = {"kind": "binary", "classes": ["no", "yes", "new"], "positive": "yes"}
    assert Rules.of_routing({"lanes": [{"problem": problem}]}) == BINARY
    document = {
        "lanes": [{"problem": problem}],
        "coming": [{"problem": other}],
        "feedback": {"window_seconds": 60, "kind": "reward", "minimum": 0, "maximum": 1},
    }
    assert Rules.of_routing(document) == Rules(60, (0.0, 1.0), "binary", ("no", "yes", "new"), "yes")
    assert Rules.of_routing({}).kind is None
