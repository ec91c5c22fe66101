"""IAM's decision: what a policy allows, and that a doubt never allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_region.identities.policy import decide, matches

BUCKET = "arn:aws:s3:::data"


def allow(action: object, resource: object, **more: object) -> dict[str, object]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("statements", "action", "resource", "decision"),
    [
        ([], "s3:GetObject", f"{BUCKET}/k", "none"),
        ([allow("s3:GetObject", f"{BUCKET}/*")], "s3:GetObject", f"{BUCKET}/a/b", "allow"),
        ([allow("s3:GetObject", f"{BUCKET}/*")], "s3:GetObject", BUCKET, "none"),
        ([allow("s3:GetObject", f"{BUCKET}/*")], "s3:PutObject", f"{BUCKET}/a", "none"),
        ([allow(["s3:get*", "s3:List?"], [f"{BUCKET}/*", "*"])], "s3:GetObject", "x", "allow"),
        ([{"Effect": "Allow", "NotAction": "s3:Put*", "Resource": "*"}], "s3:PutObject", "x", "none"),
        ([{"Effect": "Allow", "NotAction": "s3:Put*", "Resource": "*"}], "s3:GetObject", "x", "allow"),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "secret"}], "s3:GetObject", "secret", "none"),
        (
            [allow("*", "*"), {"Effect": "Deny", "Action": "s3:*", "Resource": f"{BUCKET}/private/*"}],
            "s3:GetObject",
            f"{BUCKET}/private/k",
            "deny",
        ),
    ],
)
def test_decisions(statements: list[dict[str, object]], action: str, resource: str, decision: str) -> None:
    assert decide(statements, action, resource, {}) == decision


@pytest.mark.parametrize(
    ("condition", "context", "decision"),
    [
        ({"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}, {}, "none"),
        (
            {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            {"iam:PassedToService": "sagemaker.amazonaws.com"},
            "allow",
        ),
        ({"StringLike": {"s3:prefix": ["data/*"]}}, {"s3:prefix": "data/churn/"}, "allow"),
        ({"StringLike": {"s3:prefix": ["data/*"]}}, {"s3:prefix": "models/"}, "none"),
        ({"StringNotEquals": {"a": "b"}}, {}, "allow"),
        ({"Bool": {"aws:SecureTransport": "true"}}, {"aws:SecureTransport": "false"}, "none"),
        ({"StringEqualsIfExists": {"a": "b"}}, {}, "allow"),
        ({"Null": {"a": "true"}}, {}, "allow"),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:SourceIp": "10.1.1.1"}, "none"),
    ],
)
def test_conditions(condition: dict[str, object], context: dict[str, str], decision: str) -> None:
    assert decide([allow("*", "*", Condition=condition)], "s3:GetObject", "x", context) == decision


def test_an_unknown_operator_makes_a_deny_apply() -> None:
    deny = {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    }
    assert decide([allow("*", "*"), deny], "s3:GetObject", "x", {"aws:SourceIp": "10.1.1.1"}) == "deny"


@given(st.text(max_size=30))
def test_a_text_without_wildcards_matches_itself_alone(text: str) -> None:
    literal = text.replace("*", "").replace("?", "")
    assert matches(literal, literal)
    assert not matches(literal, literal + "x")
    assert matches(literal + "*", literal + text)


@pytest.mark.parametrize(("key", "decision"), [("TALLY#churn#v1", "allow"), ("MODEL#churn", "none"), (None, "none")])
def test_a_table_may_be_open_for_some_keys_only(key: str | None, decision: str) -> None:
    condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["TALLY#*", "COUNTED#*"]}}
    statement = {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*", "Condition": condition}
    context = {} if key is None else {"dynamodb:LeadingKeys": key}
    assert decide([statement], "dynamodb:PutItem", "arn:aws:dynamodb:us-east-1:1:table/t", context) == decision
