"""A role's credentials allow what IAM says, the owner's everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local_region.identities.service import IdentitiesService
from local_region.ports import AwsError, AwsRequest, RegionConfig

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture
def iam() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("iam", region_name="us-east-1")


@pytest.fixture
def identities(tmp_path: Path) -> IdentitiesService:
    config = RegionConfig("127.0.0.1", 1, tmp_path)
    region: Any = SimpleNamespace(config=config)
    return IdentitiesService(region)


def test_a_role_may_do_what_its_inline_and_attached_policies_allow(iam: Any, identities: IdentitiesService) -> None:
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    principal = identities.principal_of(identities.credentials_for(arn).access_key_id)
    assert principal.role_arn == arn
    with pytest.raises(AwsError, match="no identity-based policy allows the s3:GetObject action") as refused:
        identities.check(principal, "s3", "GetObject", {"Bucket": "b", "Key": "k"})
    assert (refused.value.code, refused.value.status) == ("AccessDenied", 403)

    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
    iam.put_role_policy(
        RoleName="r", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    identities.check(principal, "s3", "GetObject", {"Bucket": "b", "Key": "k"})

    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
    attached = iam.create_policy(PolicyName="q", PolicyDocument=json.dumps(policy))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="r", PolicyArn=attached)
    identities.check(principal, "sqs", "SendMessage", {"QueueUrl": "http://h/1/q"})

    iam.delete_role_policy(RoleName="r", PolicyName="p")
    with pytest.raises(AwsError):
        identities.check(principal, "s3", "GetObject", {"Bucket": "b", "Key": "k"})


def test_a_role_that_is_gone_may_do_nothing(iam: Any, identities: IdentitiesService) -> None:
    arn = "arn:aws:iam::123456789012:role/never"
    principal = identities.principal_of(identities.credentials_for(arn).access_key_id)
    with pytest.raises(AwsError, match="AccessDeniedException"):
        identities.check(principal, "sagemaker", "ListModels", {})
    identities.check(principal, "sts", "GetCallerIdentity", {})


def test_any_other_key_is_the_owner(identities: IdentitiesService) -> None:
    for key in (None, "AKIAIOSFODNN7EXAMPLE"):
        identities.check(identities.principal_of(key), "sagemaker", "DeleteEndpoint", {"EndpointName": "e"})


def test_the_same_role_gets_the_same_credentials(identities: IdentitiesService) -> None:
    assert identities.credentials_for("arn:a/b") == identities.credentials_for("arn:a/b")
    assert identities.credentials_for("arn:a/b") != identities.credentials_for("arn:a/c")


def test_sts_tells_a_roles_session_from_the_owner(iam: Any, identities: IdentitiesService) -> None:
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]
    keys = identities.credentials_for(role["Arn"])

    def asked(key: str) -> tuple[str, str, str]:
        client = boto3.client("sts", "us-east-1", aws_access_key_id=key, aws_secret_access_key="s")
        answer = client.get_caller_identity()
        return answer["UserId"], answer["Arn"], answer["Account"]

    moto_alone = asked("AKIAANYTHING")
    identities.start()
    try:
        session = "arn:aws:sts::123456789012:assumed-role/r/region"
        assert asked(keys.access_key_id) == (f"{role['RoleId']}:region", session, "123456789012")
        assert asked("AKIAANYTHING") == ("123456789012", "arn:aws:iam::123456789012:root", "123456789012")
        user = iam.create_user(UserName="u")["User"]
        own = iam.create_access_key(UserName="u")["AccessKey"]["AccessKeyId"]
        assert asked(own) == (user["UserId"], user["Arn"], "123456789012")
    finally:
        identities.stop()
    assert asked("AKIAANYTHING") == moto_alone


def test_a_roles_policies_can_be_asked_without_a_request(iam: Any, identities: IdentitiesService) -> None:
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}
    iam.put_role_policy(
        RoleName="r", PolicyName="reads", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    simulate = identities.operations()["SimulatePrincipalPolicy"]

    def asked(source: str) -> Any:
        params = {"PolicySourceArn": source, "ActionNames": ["s3:GetObject", "s3:PutObject"]}
        return simulate(AwsRequest("iam", "SimulatePrincipalPolicy", params, identities.principal_of(None), {}))

    decisions = [each["EvalDecision"] for each in asked(arn)["EvaluationResults"]]
    assert decisions == ["allowed", "implicitDeny"]
    with pytest.raises(AwsError, match="cannot be found"):
        asked(arn + "-gone")
    with pytest.raises(AwsError, match="is not a role"):
        asked("arn:aws:iam::123456789012:user/u")
