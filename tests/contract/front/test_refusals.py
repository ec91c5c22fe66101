"""What the region doesn't have is refused by name, once, in a form that boto3 understands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion

CASES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "a service that moto lacks": ("mturk", lambda c: c.get_account_balance(), "GetAccountBalance"),
    "query": (
        "sns",
        lambda c: c.create_sms_sandbox_phone_number(PhoneNumber="+49123"),
        "sns CreateSMSSandboxPhoneNumber",
    ),
    "json": ("dynamodb", lambda c: c.list_global_tables(), "dynamodb ListGlobalTables"),
    "REST": ("iot", lambda c: c.list_audit_tasks(startTime=0, endTime=1), "iot GET /audit/tasks"),
    "ec2": ("ec2", lambda c: c.describe_fpga_images(), "ec2 DescribeFpgaImages"),
    "an own service, json": ("sagemaker", lambda c: c.list_auto_ml_jobs(), "sagemaker ListAutoMLJobs"),
    "an own service, REST": ("lambda", lambda c: c.list_code_signing_configs(), "lambda ListCodeSigningConfigs"),
    "an own service, query": ("cloudformation", lambda c: c.list_types(), "cloudformation ListTypes"),
    "API Gateway": ("apigateway", lambda c: c.get_vpc_links(), "apigateway"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_operation_that_is_missing_is_named(region: RunningRegion, case: str) -> None:
    service, call, expected = CASES[case]
    with pytest.raises(ClientError, match=expected) as caught:
        call(region.client(service, config=Config()))
    response = caught.value.response
    assert response["Error"]["Code"] == "NotImplemented"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert response["ResponseMetadata"]["RetryAttempts"] == 0


def test_what_moto_stumbles_over_is_said_once(region: RunningRegion) -> None:
    with pytest.raises(ClientError, match="moto failed on dynamodb ListExports") as caught:
        region.client("dynamodb", config=Config()).list_exports()
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_a_request_that_breaks_the_model_is_refused_in_aws_words(region: RunningRegion) -> None:
    client = region.client("lambda", config=Config(parameter_validation=False, retries={"max_attempts": 0}))
    with pytest.raises(ClientError) as caught:
        client.create_function(FunctionName="not a name!", Runtime="cobol", Role="x", Code={})
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert "3 validation errors detected" in error["Message"]
    assert "Value 'not a name!' at 'functionName' failed to satisfy constraint" in error["Message"]
    assert "Value 'cobol' at 'runtime' failed to satisfy constraint: Member must satisfy enum" in error["Message"]


def test_motos_own_interface_is_closed(region: RunningRegion) -> None:
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(
            urllib.request.Request(f"{region.endpoint}/moto-api/reset", method="POST", data=b""), timeout=10
        )
    assert caught.value.code == 501
