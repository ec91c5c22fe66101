from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.domain import inference_id
from sluicegate.domain.inference_id import InvalidInferenceId, issue, issue_many, lane_digest, verify
from sluicegate.domain.traffic import BUCKETS

KEY = b"a key of more than sixteen bytes"
keys = st.binary(min_size=16, max_size=64)
versions = st.integers(1, 2**24 - 1)
times = st.integers(0, 2**48 - 1)


@given(keys, st.text(max_size=40), versions, st.text(max_size=63), st.text(max_size=63), times, st.integers())
def test_what_was_issued_is_read_back(
    key: Any, model: Any, version: Any, endpoint: Any, variant: Any, time_ms: Any, nonce: Any
) -> None:
    token = issue(key, model, version, endpoint, variant, time_ms, nonce)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", token)
    read = verify(token, key)
    assert (read.version, read.time_ms, read.nonce) == (version, time_ms, nonce % 2**64)
    assert read.is_of(model)
    assert not read.is_of(model + "x")
    assert read.lane == lane_digest(endpoint, variant)


slots = st.sampled_from(["champion", "challenger"]) | st.integers(2, 254).map("challenger-{}".format)


causes = st.from_regex("[0-9a-f]{8}", fullmatch=True).filter(lambda cause: cause != "00000000")


@given(slots, st.none() | causes, st.none() | st.integers(0, BUCKETS - 1))
def test_slot_cause_and_bucket_are_named(slot: str, cause: str | None, bucket: int | None) -> None:
    read = verify(issue(KEY, "churn", 1, "e", "v1", 5, slot=slot, cause=cause, bucket=bucket), KEY)
    assert (read.slot, read.cause, read.bucket) == (slot, cause, bucket)


def test_what_the_format_cannot_name_is_left_out() -> None:
    read = verify(issue(KEY, "churn", 1, "e", "v1", 5, slot="v7", cause="rollout-of-monday"), KEY)
    assert (read.slot, read.cause) == ("other", None)


@pytest.mark.parametrize("length", [42, 48])
def test_a_token_of_another_format_or_length_is_refused_though_it_was_signed_here(length: int) -> None:
    body = bytes([2]) + bytes(length - 17)
    token = base64.urlsafe_b64encode(body + inference_id._tag(KEY, body)).decode()
    with pytest.raises(InvalidInferenceId, match="unknown format 2" if length == 48 else "has 64 characters"):
        verify(token, KEY)


@given(st.integers(0, inference_id.LENGTH - 1), st.sampled_from("ABCxyz019-_+/ é"))
def test_any_changed_character_is_refused(position: Any, character: Any) -> None:
    token = issue(KEY, "churn", 3, "sluicegate-churn", "v3", 1_700_000_000_000, 7)
    changed = token[:position] + character + token[position + 1 :]
    if changed == token:
        assert verify(changed, KEY).version == 3
    else:
        with pytest.raises(InvalidInferenceId):
            verify(changed, KEY)


@given(st.text(max_size=80))
def test_no_text_makes_it_fail_otherwise(text: Any) -> None:
    with pytest.raises(InvalidInferenceId):
        verify(text, KEY)


@given(keys, keys)
def test_another_key_is_refused(key: Any, other: Any) -> None:
    token = issue(key, "churn", 1, "e", "v1", 0)
    if key != other and key.rstrip(b"\0") != other.rstrip(b"\0"):  # HMAC pads short keys with zeros
        with pytest.raises(InvalidInferenceId, match="not issued here"):
            verify(token, other)


def test_ids_of_one_request_differ_and_also_across_the_nonce_wrap() -> None:
    tokens = list(issue_many(KEY, "churn", 1, "e", "v1", 5, 1000, 2**64 - 10))
    assert len(set(tokens)) == 1000
    assert {verify(token, KEY).time_ms for token in tokens} == {5}
    tokens = list(issue_many(KEY, "churn", 1, "e", "v1", 5, 3, buckets=[7, None, 63]))
    assert [verify(token, KEY).bucket for token in tokens] == [7, None, 63]


def test_nonces_are_random_by_default() -> None:
    assert issue(KEY, "churn", 1, "e", "v1", 5) != issue(KEY, "churn", 1, "e", "v1", 5)


@pytest.mark.parametrize(("version", "time_ms"), [(0, 1), (2**24, 1), (1, -1), (1, 2**48)])
def test_what_does_not_fit_is_refused(version: Any, time_ms: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        issue(KEY, "churn", version, "e", "v1", time_ms)


def test_tags_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append(left)
        return left == right

    monkeypatch.setattr("sluicegate.domain.inference_id.hmac.compare_digest", compare)
    token = issue(KEY, "churn", 1, "e", "v1", 5)
    verify(token, KEY)
    assert [len(tag) for tag in compared] == [16]
