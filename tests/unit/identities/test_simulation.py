"""SimulatePrincipalPolicy: the same decisions as those that requests get, explained."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_region.identities.simulation import Policy, simulated
from local_region.ports import AwsError

READS = Policy("reads", [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}])
KEEPS_OUT = Policy("keeps-out", [{"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b/secret"}])
TAGGED = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*", "Condition": {"StringEquals": {"aws:tag": "x"}}}
SECRET = "arn:aws:s3:::b/secret"


def results(*policies: Policy, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = simulated(policies, params)["EvaluationResults"]
    return found


def test_each_action_on_each_resource_is_decided_and_the_deciding_policies_are_named() -> None:
    arns = ["arn:aws:s3:::b/k", SECRET]
    found = results(READS, KEEPS_OUT, ActionNames=["s3:GetObject", "s3:PutObject"], ResourceArns=arns)
    decisions = {(each["EvalActionName"], each["EvalResourceName"]): each["EvalDecision"] for each in found}
    assert decisions == {
        ("s3:GetObject", arns[0]): "allowed",
        ("s3:PutObject", arns[0]): "implicitDeny",
        ("s3:GetObject", SECRET): "explicitDeny",
        ("s3:PutObject", SECRET): "explicitDeny",
    }
    named = [[each["SourcePolicyId"] for each in result["MatchedStatements"]] for result in found]
    assert named == [["reads"], [], ["keeps-out"], ["keeps-out"]]


def test_without_resources_only_what_is_allowed_on_all_is_allowed() -> None:
    given = [json.dumps({"Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}})]
    found = results(READS, ActionNames=["s3:GetObject", "ecr:GetAuthorizationToken"], PolicyInputList=given)
    assert [each["EvalDecision"] for each in found] == ["implicitDeny", "allowed"]


def test_conditions_look_at_the_context_that_was_given() -> None:
    [without] = results(Policy("p", [TAGGED]), ActionNames=["sqs:SendMessage"])
    assert (without["EvalDecision"], without["MissingContextValues"]) == ("implicitDeny", ["aws:tag"])
    entries = [{"ContextKeyName": "aws:tag", "ContextKeyType": "string", "ContextKeyValues": ["x"]}]
    [given] = results(Policy("p", [TAGGED]), ActionNames=["sqs:SendMessage"], ContextEntries=entries)
    assert (given["EvalDecision"], given["MissingContextValues"]) == ("allowed", [])


def test_pages_hold_every_pair_once() -> None:
    asked = {"ActionNames": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"], "ResourceArns": ["*", SECRET]}
    found: list[tuple[str, str]] = []
    marker: dict[str, str] = {}
    while True:
        page = simulated([READS], {**asked, **marker, "MaxItems": 4})
        found += [(each["EvalActionName"], each["EvalResourceName"]) for each in page["EvaluationResults"]]
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert sorted(found) == sorted((action, arn) for action in asked["ActionNames"] for arn in asked["ResourceArns"])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"CallerArn": "arn:aws:iam::1:user/u"}, "without CallerArn"),
        ({"PolicyInputList": ["{}"]}, "PolicyInputList.1 is no policy document"),
        ({"Marker": "7"}, "marker is not of this request"),
        (
            {"ContextEntries": [{"ContextKeyName": "k", "ContextKeyValues": ["a", "b"]}]},
            "takes one value of a key",
        ),
    ],
)
def test_what_is_not_simulated_is_refused_by_name(params: dict[str, Any], said: str) -> None:
    with pytest.raises(AwsError, match=said):
        simulated([], {"ActionNames": ["s3:GetObject"], **params})
